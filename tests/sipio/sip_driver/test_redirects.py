"""A 3xx of the other leg: followed for a trunk that is trusted with it, and for nobody else."""

import pytest

from sipio.call_control import Bridge, Bridged, BridgeStatus, Done, LegEvent
from sipio.sip.address import Address
from sipio.sip.events import EndedBy, SessionEnded
from sipio.sip.settings import Credentials
from sipio.sip_driver.destinations import Target
from sipio.sip_driver.redirects import REDIRECTIONS, Redirects
from sipio.sip_driver.settings import SipDriverSettings, Trunk
from tests.sipio.sip_driver.sip_driver_doubles import Exchange, MemorySession

SECRET = Credentials(username="acct1", password="secret")
TRUNK = Target(
    uri="sip:100@carrier.test",
    proxy=Address("udp", "192.0.2.7", 5060),
    credentials=SECRET,
    from_user="4420",
    follow_redirects=True,
)


def exchange(*, follow: bool) -> Exchange:
    trunk = Trunk(name="carrier", target="sip:{number}@carrier.test", credentials=SECRET, follow_redirects=follow)
    return Exchange(SipDriverSettings(trunks=(trunk,), default_trunk="carrier"))


def redirect(leg: MemorySession, status: int, *contacts: str) -> None:
    leg.ended = True
    leg.tell(
        SessionEnded(
            session=leg,  # type: ignore[arg-type]
            by=EndedBy.PEER, answered=False, status=status, reason="Moved", cause=0, headers=[],
            contacts=list(contacts),
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("destination", "follow"),
    [("trunk/carrier/100", False), ("sip:100@carrier.test", True), ("100", False)],
)
async def test_by_default_a_redirection_is_a_failure(destination: str, follow: bool) -> None:
    exchanged = exchange(follow=follow).up()
    _, results = exchanged.perform(Bridge(destinations=[destination]))
    redirect(exchanged.endpoint.legs[0], 302, "sip:premium@expensive.test")
    assert len(exchanged.endpoint.legs) == 1
    (result,) = results
    assert isinstance(result, Done)
    assert isinstance(result.value, Bridged)
    assert (result.value.status, result.value.code) == (BridgeStatus.FAILED, 302)
    assert [(event.what, event.code) for event in exchanged.told(LegEvent)] == [("ended", 302)]


async def test_a_trunks_redirection_is_followed_in_order_before_the_next_destination() -> None:
    exchanged = exchange(follow=True).up()
    exchanged.perform(Bridge(destinations=["trunk/carrier/100", "sip:200@other.test"]))
    legs = exchanged.endpoint.legs
    redirect(legs[0], 302, "sip:101@carrier.test", "sip:102@elsewhere.test;x=1?Subject=y", "tel:999", "mailto:a@b")
    for number in (1, 2):
        legs[number].end_as(EndedBy.PEER, status=486, reason="Busy")
    asked = exchanged.endpoint.asked
    assert [one["target"] for one in asked] == [
        "sip:100@carrier.test",
        "sip:101@carrier.test",
        "sip:102@elsewhere.test;x=1",
        "sip:200@other.test",
    ]
    # The password is for the trunk's own host.
    assert [one["credentials"] for one in asked] == [SECRET, SECRET, None, None]


async def test_two_that_redirect_to_each_other_end() -> None:
    exchanged = exchange(follow=True).up()
    _, results = exchanged.perform(Bridge(destinations=["trunk/carrier/100"]))
    legs = exchanged.endpoint.legs
    redirect(legs[0], 302, "sip:101@CARRIER.test")
    redirect(legs[1], 302, "sip:100@carrier.test", "sip:101@carrier.test")
    assert len(legs) == 2
    assert len(results) == 1


def test_redirections_are_bounded() -> None:
    redirects = Redirects()
    redirects.called(TRUNK)
    contacts = [f"sip:{number}@carrier.test" for number in range(200, 220)]
    assert len(redirects.follow(TRUNK, 300, contacts)) == REDIRECTIONS
    assert redirects.follow(TRUNK, 300, ["sip:300@carrier.test"]) == []


def test_what_is_followed() -> None:
    redirects = Redirects()
    redirects.called(TRUNK)
    assert redirects.follow(TRUNK, 305, ["sip:1@carrier.test"]) == []
    assert redirects.follow(TRUNK, 380, ["sip:1@carrier.test"]) == []
    assert redirects.follow(TRUNK, 302, ["not a uri", "sips:1@carrier.test"])[0].uri == "sips:1@carrier.test"
    (found,) = redirects.follow(TRUNK, 301, ["sip:2@carrier.test;maddr=elsewhere.test"])
    assert (found.proxy, found.credentials, found.from_user, found.follow_redirects) == (None, None, "4420", True)
