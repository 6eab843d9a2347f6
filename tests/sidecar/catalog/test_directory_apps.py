"""Tenants, apps, their variables and customers' vars in assignments.toml."""

import pytest

from sidecar.catalog.limits import TenantLimits
from sidecar.catalog.module_grants import ModuleGrants
from tests.sidecar.catalog.catalog_desk import MAIN, Catalog

TWO = """
[[script]]
file = "a.js"
tenant = "acme"
app = "shop"
environment = { MODE = "own" }
[[script]]
file = "b.js"
[[app]]
id = "shop"
name = "The shop"
tenant = "acme"
[[variable]]
app = "shop"
name = "MODE"
value = "app's"
[[variable]]
app = "shop"
name = "currency"
value = "EUR"
[[variable]]
app = "shop"
name = "KEY"
protected = true
[[customer]]
customer = "beta"
vars.rate = 1
[[tenant]]
tenant = "gamma"
[[route]]
customer = "beta"
script = "a"
vars.own = 2
"""


def test_a_script_has_its_apps_variables_under_its_own(catalog: Catalog) -> None:
    catalog.script("a.js")
    catalog.script("b.js")
    catalog.assign(TWO)
    snapshot = catalog.load().require()
    assert snapshot.scripts["a"].environment == {"MODE": "own", "currency": "EUR"}
    assert (snapshot.scripts["a"].tenant, snapshot.scripts["a"].app) == ("acme", "shop")
    assert (snapshot.scripts["b"].tenant, snapshot.scripts["b"].environment) == ("operator", {})
    assert snapshot.routes["beta", ""].variables == {"rate": 1, "own": 2}
    assert "EUR" not in repr(snapshot.scripts["a"])


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ('[[app]]\nid = "shop"\n', "the app 'shop' is there already"),
        ('[[tenant]]\ntenant = "gamma"\n', "the tenant 'gamma' is there already"),
        ('[[tenant]]\ntenant = "x"\nlimits = { runs = 1 }\n', "runs"),
        ('[[tenant]]\ntenant = "x"\nlimits = { keys = -1 }\n', "limits"),
        ('[[tenant]]\ntenant = "x"\ngranted = { modules = { moment = 2 } }\n', "granted"),
        ('[[tenant]]\ntenant = "x"\ngranted = { modules = { "../a" = "*" } }\n', "granted"),
        ('[[variable]]\napp = "shop"\nname = "KEY"\nvalue = "1"\n', "the variable 'KEY' of the app 'shop' is there"),
        ('[[variable]]\napp = "shop"\nname = "9"\nvalue = "1"\n', "name: expected 1 to 128 letters"),
        ('[[variable]]\napp = "shop"\nname = "APP_ID"\nvalue = "1"\n', "name: APP_ID is set by the host"),
        ('[[variable]]\napp = "shop"\nname = "X"\nvalue = "****"\n', "value: **** is shown in place of"),
        ('[[customer]]\ncustomer = "beta"\n', "customer 'beta': has vars on line 25 already"),
        ('[[customer]]\ncustomer = "other"\nvars.routing = 1\n', "vars: the key 'routing' is the call's own"),
        ('[[script]]\nfile = "c.js"\napp = "shop"\n', "app: 'shop' is the tenant 'acme''s, the script 'operator''s"),
    ],
)
def test_what_does_not_go_together_is_told(catalog: Catalog, more: str, problem: str) -> None:
    for name in ("a.js", "b.js", "c.js"):
        catalog.script(name, MAIN)
    catalog.assign(TWO + more)
    found = catalog.problems()
    assert len(found) == 1, found
    assert problem in found[0]
    assert found[0].startswith("assignments.toml:")


def test_modules_that_a_tenant_is_granted_are_in_the_snapshot(catalog: Catalog) -> None:
    catalog.script("a.js", MAIN)
    catalog.assign(
        '[[script]]\nfile = "a.js"\ntenant = "acme"\n[[tenant]]\ntenant = "idle"\n[[tenant]]\ntenant = "acme"\n'
        'granted = { modules = { moment = "*" }, apps = { shop = { axios = "1.21.1" } } }\n'
    )
    granted = ModuleGrants(modules={"moment": "*"}, apps={"shop": {"axios": "1.21.1"}})
    assert catalog.load().require().module_grants == {"acme": granted}


def test_a_tenants_limits_are_in_the_snapshot(catalog: Catalog) -> None:
    catalog.script("a.js", MAIN)
    catalog.assign(
        '[[script]]\nfile = "a.js"\ntenant = "acme"\n'
        '[[tenant]]\ntenant = "acme"\nlimits = { runs_a_second = 5, cpu_ms_a_minute = 60_000 }\n'
        '[[tenant]]\ntenant = "idle"\n'
    )
    assert catalog.load().require().limits == {"acme": TenantLimits(runs_a_second=5, cpu_ms_a_minute=60_000)}
