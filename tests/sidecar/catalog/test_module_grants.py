"""What was granted to a tenant and to its apps, put together."""

from sidecar.catalog.module_grants import NO_GRANTS, ModuleGrants, decode_grants, encode_grants


def test_an_app_has_its_own_besides_the_tenants() -> None:
    grants = ModuleGrants(modules={"a": "1.0.0", "b": None}, apps={"shop": {"a": "2.0.0", "c": None}})
    assert grants.of("") == {"a": "1.0.0", "b": None} == grants.of("other")
    assert grants.of("shop") == {"a": "2.0.0", "b": None, "c": None}
    assert grants.count() == 4
    assert decode_grants(encode_grants(grants)) == grants


def test_one_is_granted_and_taken_back() -> None:
    grants = NO_GRANTS.with_grant("", "a", None).with_grant("shop", "a", "1.0.0").with_grant("shop", "b", None)
    assert grants.with_grant("", "a", "2.0.0").of("") == {"a": "2.0.0"}
    assert grants.without_grant("", "a") == ModuleGrants(apps={"shop": {"a": "1.0.0", "b": None}})
    assert grants.without_grant("shop", "a").without_grant("shop", "b").without_grant("", "a") == NO_GRANTS
