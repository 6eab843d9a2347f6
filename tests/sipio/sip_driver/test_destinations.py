"""Where a destination leads to."""

import pytest

from sipio.sip.address import Address
from sipio.sip.registrar import Binding
from sipio.sip.settings import Credentials
from sipio.sip_driver.destinations import UnknownDestination, resolve
from sipio.sip_driver.settings import SipDriverSettings, Trunk
from tests.sipio.sip_driver.sip_driver_doubles import MemoryEndpoint

CREDENTIALS = Credentials(username="u", password="p")
CARRIER = Trunk(
    name="carrier", target="sip:{number}@gw.example;transport=tcp", credentials=CREDENTIALS, from_user="acct"
)
BACKUP = Trunk(name="backup", target="sip:{number}@backup.example")
SETTINGS = SipDriverSettings(trunks=(CARRIER, BACKUP), default_trunk="carrier")


def endpoint() -> MemoryEndpoint:
    made = MemoryEndpoint()
    made.bindings["alice"] = [
        Binding(
            contact=f"sip:alice@10.0.0.{n}", path=Address("udp", "192.0.2.7", 5_000 + n), call_id="", sequence=1,
            expires_at=0.0, order=n,
        )
        for n in (2, 1)
    ]  # fmt: skip
    return made


def uris(destination: str, settings: SipDriverSettings = SETTINGS) -> list[str]:
    return [target.uri for target in resolve(destination, settings, endpoint())]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        ("sip:bob@192.0.2.1", ["sip:bob@192.0.2.1"]),
        ("sips:bob@host.example", ["sips:bob@host.example"]),
        ("user/alice", ["sip:alice@10.0.0.2", "sip:alice@10.0.0.1"]),
        ("trunk/backup/44", ["sip:44@backup.example"]),
        ("trunk/default/44", ["sip:44@gw.example;transport=tcp"]),
        ("+4420", ["sip:+4420@gw.example;transport=tcp"]),
        ("tel:+44-20;npdi;rn=+1", ["sip:+4420@gw.example;transport=tcp"]),
        ("trunk/carrier/a b@c;x?y", ["sip:a%20b%40c;x?y@gw.example;transport=tcp"]),
    ],
)
def test_targets(destination: str, expected: list[str]) -> None:
    assert uris(destination) == expected


def test_a_trunk_brings_its_credentials_and_its_own_number() -> None:
    (target,) = resolve("44", SETTINGS, endpoint())  # type: ignore[arg-type]
    assert (target.credentials, target.from_user) == (CREDENTIALS, "acct")


def test_a_registered_phone_is_called_where_it_came_from() -> None:
    first, second = resolve("user/alice", SETTINGS, endpoint())  # type: ignore[arg-type]
    assert (first.proxy, second.proxy) == (Address("udp", "192.0.2.7", 5_002), Address("udp", "192.0.2.7", 5_001))


def test_without_a_default_trunk_a_bare_name_is_a_registered_phone() -> None:
    assert uris("alice", SipDriverSettings())[0] == "sip:alice@10.0.0.2"


@pytest.mark.parametrize(
    "destination",
    [
        "user/bob",
        "user/",
        "trunk/none/1",
        "trunk/carrier",
        "trunk/carrier/",
        "trunk/",
        "a/b",
        "sip:",
        "sip:@",
        "sip:a@[",
    ],
)
def test_nowhere(destination: str) -> None:
    with pytest.raises(UnknownDestination):
        uris(destination)


def test_sip_addresses_may_be_forbidden_and_no_default_trunk_is_no_trunk() -> None:
    with pytest.raises(UnknownDestination):
        uris("sip:bob@192.0.2.1", SipDriverSettings(sip_uris=False))
    with pytest.raises(UnknownDestination):
        uris("trunk/default/1", SipDriverSettings())
