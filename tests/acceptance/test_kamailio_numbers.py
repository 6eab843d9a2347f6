"""Numbers in every form through a real Kamailio: what scripts are given, and what goes out."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.daemon import Daemon
from tests.acceptance.kamailio import CARRIER, Kamailio
from tests.acceptance.sipp import only_invite, requests
from tests.acceptance.wire import Wire

REQUEST_LINE = "INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0"
SENDER = 'From: "Caller" <sip:15557770001@[local_ip]:[local_port]>'
ASSERTED = "P-Asserted-Identity: <sip:15557770001@customer.example>"


@pytest.fixture(scope="module")
def kamailio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kamailio]:
    started = Kamailio(tmp_path_factory.mktemp("kamailio"))
    try:
        started.wait_until_ready()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def daemon(kamailio: Kamailio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    started = Daemon(tmp_path_factory.mktemp("daemon"), [kamailio])
    yield started
    started.stop()


@pytest.fixture
def wire(kamailio: Kamailio, daemon: Daemon, tmp_path: Path) -> Iterator[Wire]:
    started = Wire(kamailio, tmp_path)
    yield started
    started.stop()


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("sip:4930123;npdi;rn=+44111@[remote_ip]:[remote_port];user=phone", "sip:4930111@{kamailio};user=phone"),
        ("sip:+49-30-123;tgrp=a;trunk-context=b@[remote_ip]:[remote_port]", "sip:4930111@{kamailio}"),
        ("tel:+49-30-123;npdi;rn=+44111", "tel:4930111"),
    ],
)
def test_a_changed_number_goes_out_with_none_of_the_old_ones_parameters(
    wire: Wire, kamailio: Kamailio, asked: str, sent: str
) -> None:
    gateway = wire.gateway("gw-one")
    wire.caller("caller_id", replace=(REQUEST_LINE, f"INVITE {asked} SIP/2.0")).finish()
    invite = only_invite(gateway.finish())
    assert invite.uri == sent.format(kamailio=f"{kamailio.address}:{kamailio.port}")


def test_also_at_the_second_gateway(wire: Wire) -> None:
    busy = wire.gateway("gw-one", "unavailable")
    answering = wire.gateway("gw-two")
    asked = "INVITE sip:4930123;rn=+44111@[remote_ip]:[remote_port] SIP/2.0"
    wire.caller("caller_id", replace=(REQUEST_LINE, asked)).finish()
    first, second = only_invite(busy.finish()), only_invite(answering.finish())
    assert first.uri == second.uri
    assert first.request_uri().user == "4930111"


def test_a_number_that_the_script_leaves_keeps_its_parameters(wire: Wire) -> None:
    gateway = wire.gateway("gw-one")
    asked = "INVITE sip:4930123;npdi;rn=+44111@[remote_ip]:[remote_port] SIP/2.0"
    wire.caller("headers", replace=(REQUEST_LINE, asked)).finish()
    invite = only_invite(gateway.finish())
    assert invite.request_uri().user == "4930123;npdi;rn=+44111"
    assert invite.get_all("X-Route") == ["gold"]


def test_a_did_is_looked_up_without_its_parameters(wire: Wire, daemon: Daemon) -> None:
    position = daemon.program.position
    gateway = wire.gateway("gw-one")
    asked = "INVITE sip:+49-30-123;npdi;rn=+44111@[remote_ip]:[remote_port] SIP/2.0"
    wire.caller("", source=CARRIER, replace=(REQUEST_LINE, asked)).finish()
    gateway.finish()
    record = json.loads(daemon.program.wait_for('"action":"decision"', position))
    assert (record["direction"], record["did"]) == ("origination", "+4930123")


def test_a_tel_address_in_from_is_changed_and_the_caller_does_not_see_it(wire: Wire) -> None:
    gateway = wire.gateway("gw-one")
    seen = wire.caller("caller_id", replace=(SENDER, 'From: "Caller" <tel:+1-555-777-0001;isub=1>')).finish()
    trace = gateway.finish()
    invite = only_invite(trace)
    sender, asserted = invite.address("From"), invite.address("P-Asserted-Identity")
    assert sender is not None
    assert asserted is not None
    assert (sender.uri.raw, sender.display_name) == ("tel:15559990000", "Caller")
    assert asserted.uri.raw == "sip:15559990000@customer.example"
    (bye,) = requests(trace, "BYE")
    in_dialog = bye.address("From")
    assert in_dialog is not None
    assert in_dialog.uri.raw == "tel:15559990000"
    received = [item.message.address("From") for item in seen if item.received]
    assert {own.uri.raw for own in received if own is not None} == {"tel:+1-555-777-0001;isub=1"}


def test_a_tel_address_in_p_asserted_identity_stays_one(wire: Wire) -> None:
    gateway = wire.gateway("gw-one")
    wire.caller("caller_id", replace=(ASSERTED, "P-Asserted-Identity: <tel:+15557770001>")).finish()
    invite = only_invite(gateway.finish())
    assert invite.get_all("P-Asserted-Identity") == ["<tel:15559990000>"]


def test_a_from_without_a_number_stays_and_the_rest_is_carried_out(wire: Wire, daemon: Daemon) -> None:
    position = daemon.program.position
    gateway = wire.gateway("gw-one")
    wire.caller("caller_id", replace=(SENDER, "From: <urn:service:sos>")).finish()
    invite = only_invite(gateway.finish())
    sender, asserted = invite.address("From"), invite.address("P-Asserted-Identity")
    assert sender is not None
    assert asserted is not None
    assert sender.uri.raw == "urn:service:sos"
    assert asserted.uri.user == "15559990000"
    assert invite.request_uri().user == "4930111"
    line = json.loads(daemon.program.wait_for('"action":"evapi_caller_id_kept"', position))
    assert (line["call_id"], line["headers"]) == (invite.get("Call-ID"), ["From"])
