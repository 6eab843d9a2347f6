"""What a customer's script does to a call, seen on the wire behind a real Kamailio."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.acceptance.daemon import Daemon
from tests.acceptance.kamailio import CARRIER, Kamailio
from tests.acceptance.pages import serving_pages
from tests.acceptance.sipp import final_response, only_invite, requests
from tests.acceptance.wire import Wire


@pytest.fixture(scope="module")
def kamailio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kamailio]:
    started = Kamailio(tmp_path_factory.mktemp("kamailio"), ["SCRIPTFORGE_GATEWAY_TIMEOUT=400"])
    try:
        started.wait_until_ready()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def daemon(kamailio: Kamailio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with serving_pages() as port:
        started = Daemon(tmp_path_factory.mktemp("daemon"), [kamailio], port)
        yield started
        started.stop()


@pytest.fixture
def wire(kamailio: Kamailio, daemon: Daemon, tmp_path: Path) -> Iterator[Wire]:
    started = Wire(kamailio, tmp_path)
    yield started
    started.stop()


def test_headers_are_added_and_removed(wire: Wire) -> None:
    gateway = wire.gateway("gw-one")
    caller = wire.caller("headers")
    caller.finish()
    invite = only_invite(gateway.finish())
    assert invite.get_all("X-Route") == ["gold"]
    assert invite.get_all("X-Gateway") == ["gw-one"]
    assert invite.get("X-Secret") is None
    assert invite.get("Subject") is None, "the compact form is the same header"
    assert invite.get("X-Keep") == "kept"
    assert invite.uri.startswith("sip:4930123@")


def test_a_call_is_refused_with_404(wire: Wire) -> None:
    trace = wire.caller("not_found", "refused", status=404).finish()
    response = final_response(trace)
    assert (response.status, response.reason) == (404, "Not Found")


def test_an_app_asks_its_host_while_the_call_waits(wire: Wire) -> None:
    gateway = wire.gateway("gw-one")
    wire.caller("credit").finish()
    invite = only_invite(gateway.finish())
    assert (invite.get("X-Credit"), invite.get("X-Asker")) == ("7.5", "credit")


def test_an_app_counts_calls_in_cxkv_and_refuses_by_what_it_fetches(wire: Wire) -> None:
    gateway = wire.gateway("gw-one", calls=2)
    for _ in range(2):
        wire.caller("counts").finish()
    assert len(requests(gateway.finish(), "INVITE")) == 2
    response = final_response(wire.caller("counts", "refused", status=402).finish())
    assert (response.status, response.reason) == (402, "Not For You")


@pytest.mark.parametrize(
    ("customer", "status", "reason"),
    [("asks_silence", 503, "Script Timeout"), ("asks_breaks", 500, "Script Error")],
)
def test_a_call_whose_script_is_not_answered_gets_its_failure_action(
    wire: Wire, customer: str, status: int, reason: str
) -> None:
    response = final_response(wire.caller(customer, "refused", status=status).finish())
    assert (response.status, response.reason) == (status, reason)


def test_a_call_is_refused_by_an_array_rejection(wire: Wire) -> None:
    trace = wire.caller("declined", "refused", status=603).finish()
    response = final_response(trace)
    assert (response.status, response.reason) == (603, "Declined By Script")


def test_caller_id_and_number_are_changed_and_the_caller_does_not_see_it(wire: Wire) -> None:
    gateway = wire.gateway("gw-one")
    caller = wire.caller("caller_id")
    seen = caller.finish()
    trace = gateway.finish()
    invite = only_invite(trace)
    sender = invite.address("From")
    asserted = invite.address("P-Asserted-Identity")
    assert sender is not None
    assert asserted is not None
    assert sender.uri.user == "15559990000"
    assert sender.display_name == "Caller"
    assert asserted.uri.user == "15559990000"
    assert len(invite.get_all("P-Asserted-Identity")) == 1
    assert invite.request_uri().user == "4930111"
    (bye,) = requests(trace, "BYE")
    in_dialog = bye.address("From")
    assert in_dialog is not None
    assert in_dialog.uri.user == "15559990000", "the gateway's dialog keeps its From"
    for item in seen:
        if item.received:
            own = item.message.address("From")
            assert own is not None
            assert own.uri.user == "15557770001", "the caller's dialog keeps its own"


def test_order_and_caller_id_of_one_gateway(wire: Wire) -> None:
    busy = wire.gateway("gw-two", "unavailable")
    answering = wire.gateway("gw-one")
    wire.caller("second_first").finish()
    first, second = only_invite(busy.finish()), only_invite(answering.finish())
    first_from, second_from = first.address("From"), second.address("From")
    assert first_from is not None
    assert second_from is not None
    assert first_from.uri.user == "15558880000"
    assert second_from.uri.user == "15557770001", "a failover starts from the message as it came"


def test_failover_from_a_503(wire: Wire) -> None:
    busy = wire.gateway("gw-one", "unavailable")
    answering = wire.gateway("gw-two")
    wire.caller("headers").finish()
    assert only_invite(busy.finish()).get_all("X-Gateway") == ["gw-one"]
    assert only_invite(answering.finish()).get_all("X-Gateway") == ["gw-two"]


def test_failover_from_a_silent_gateway(wire: Wire) -> None:
    silent = wire.silent_gateway("gw-one")
    answering = wire.gateway("gw-two")
    wire.caller("headers").finish()
    heard = silent.receive()
    assert heard.get_all("X-Gateway") == ["gw-one"]
    assert only_invite(answering.finish()).get_all("X-Gateway") == ["gw-two"]


def test_a_destination_made_up_by_a_script_is_not_tried(wire: Wire) -> None:
    gateway = wire.gateway("gw-one")
    wire.caller("invents").finish()
    only_invite(gateway.finish())


def test_a_script_reads_the_sip_request(wire: Wire) -> None:
    gateway = wire.gateway("gw-one")
    hostile = """x"|;,\\',${process}`\u00e4\u2028<tel:1>%00"""
    wire.caller("reads_sip", replace=("X-Keep: kept", f"X-Keep: {hostile}")).finish()
    (seen,) = only_invite(gateway.finish()).get_all("X-Seen")
    assert json.loads(unquote(seen)) == [
        "INVITE",
        "sip:4930123@",
        "127.0.0.45",
        "<sip:15557770001@customer.example>",
        "compact",
        hostile,
        None,
    ]


def test_a_call_without_an_assignment_goes_on_unchanged(wire: Wire) -> None:
    gateway = wire.gateway("gw-one")
    wire.caller("unassigned").finish()
    invite = only_invite(gateway.finish())
    assert invite.get("X-Secret") == "not for gateways"


def test_a_call_to_a_did_is_asked_about_by_its_number(wire: Wire, daemon: Daemon) -> None:
    position = daemon.program.position
    gateway = wire.gateway("gw-one")
    wire.caller("", source=CARRIER).finish()
    only_invite(gateway.finish())
    record = json.loads(daemon.program.wait_for('"action":"decision"', position))
    assert (record["direction"], record["did"]) == ("origination", "4930123")


def test_an_invite_of_twelve_kilobytes_is_decided(wire: Wire) -> None:
    gateway = wire.gateway("gw-one")
    padding = "".join(f"X-Long-{number}: {'v' * 200}\n" for number in range(55))
    wire.caller("headers", replace=("X-Keep: kept\n", f"X-Keep: kept\n{padding}")).finish()
    invite = only_invite(gateway.finish())
    assert len(invite.raw) > 12_000
    assert invite.get_all("X-Route") == ["gold"]


def test_an_unknown_source_is_refused(wire: Wire) -> None:
    trace = wire.caller("", "refused", status=403, source="127.0.0.99").finish()
    assert final_response(trace).reason == "Unknown Customer"


def test_the_timeout_action_of_an_endless_script(wire: Wire) -> None:
    trace = wire.caller("endless", "refused", status=503).finish()
    assert final_response(trace).reason == "Script Timeout"


def test_cancel_while_a_script_runs(wire: Wire, daemon: Daemon) -> None:
    position = daemon.program.position
    trace = wire.caller("slow", "cancelled").finish()
    assert final_response(trace).status in {200, 487}
    daemon.program.wait_for('"outcome":"cancelled"', position)


def test_a_hostile_script_under_load_leaves_other_calls_alone(wire: Wire) -> None:
    calls = 100
    gateway = wire.gateway("gw-one", calls=calls)
    hostile = wire.caller("endless", "refused", status=503, calls=20, rate=20)
    innocent = wire.caller("headers", calls=calls, rate=100)
    innocent.finish()
    hostile.finish()
    invites = requests(gateway.finish(), "INVITE")
    assert len(invites) == calls
    assert all(invite.get_all("X-Route") == ["gold"] for invite in invites)


def test_the_end_of_a_call_is_reported(wire: Wire, daemon: Daemon) -> None:
    position = daemon.program.position
    gateway = wire.gateway("gw-one")
    call_id = wire.caller("headers").finish()[0].message.get("Call-ID")
    gateway.finish()
    record = json.loads(daemon.program.wait_for('"action":"call_ended"', position))
    assert (record["call_id"], record["customer"], record["answered"]) == (call_id, "headers", True)
