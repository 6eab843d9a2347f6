"""A do-not-call list stays closed while other calls go on, whatever became of the sidecar; and what Kamailio refuses by
itself is a line of its log with the call's id."""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from sipio.sip import Response
from tests.acceptance.daemon import Daemon
from tests.acceptance.kamailio import CUSTOMERS, Kamailio
from tests.acceptance.sipp import final_response, only_invite
from tests.acceptance.wire import Wire

QUICK = ["SCRIPTFORGE_TIMEOUT=300", "SCRIPTFORGE_BUDGET=250", "SCRIPTFORGE_TRIP=3"]
GLOBALLY_CLOSED = [*QUICK, "SCRIPTFORGE_FAIL_CLOSED"]
UNSAID, CLOSED, OPEN, MISSPELT, SLOW = "127.0.0.31", "127.0.0.41", "127.0.0.42", "127.0.0.43", "127.0.0.44"
TAGS = {
    **CUSTOMERS,
    CLOSED: "headers/do-not-call/closed",
    OPEN: "headers/any/open",
    MISSPELT: "headers/any/close",
    SLOW: "slow/do-not-call/closed",
}


class Place:
    """One Kamailio whose customers have routes of every policy, its sidecar, callers and gateways."""

    def __init__(self, directory: Path, definitions: Sequence[str], stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self.kamailio = Kamailio(directory / "kamailio", definitions, TAGS)
        stack.callback(self.kamailio.stop)
        self.kamailio.wait_until_ready()
        self.wire = Wire(self.kamailio, directory)
        stack.callback(self.wire.stop)

    def daemon(self) -> Daemon:
        started = Daemon(self._directory / "daemon", [self.kamailio])
        self._stack.callback(started.stop)
        return started

    def goes_through(self, source: str, *, decided: bool = False) -> None:
        gateway = self.wire.gateway("gw-one")
        self.wire.caller("", source=source).finish()
        assert only_invite(gateway.finish()).get_all("X-Route") == (["gold"] if decided else [])

    def is_refused(self, source: str, reason: str, customer: str = "headers") -> None:
        position = self.kamailio.program.position
        response = self.refusal(source, 503)
        assert response.reason == "Routing Unavailable"
        words = f"refused status=503 reason={reason} customer={customer} caller=15557770001 number=4930123"
        self.kamailio.program.wait_for(f"scriptforge: {words} call_id={response.get('Call-ID')}", position)

    def refusal(self, source: str, status: int) -> Response:
        return final_response(self.wire.caller("", "refused", source=source, status=status).finish())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[[Sequence[str]], Place]]:
    with ExitStack() as stack:
        yield lambda definitions: Place(tmp_path, definitions, stack)


def test_killed(place: Callable[[Sequence[str]], Place]) -> None:
    here = place(QUICK)
    daemon = here.daemon()
    here.goes_through(CLOSED, decided=True)
    assert not daemon.program.lines('"action":"switch_fails_open"')
    for source in (UNSAID, OPEN):
        here.goes_through(source, decided=True)
    daemon.program.wait_for('"action":"switch_fails_open".*"customer":"headers".*"error_action":"500 Script Error"')
    position = here.kamailio.program.position
    daemon.kill()
    here.kamailio.program.wait_for("sidecar gone", position)
    here.is_refused(CLOSED, "no-sidecar")
    here.goes_through(UNSAID)
    here.goes_through(OPEN)


def test_kamailio_started_while_there_is_no_sidecar(place: Callable[[Sequence[str]], Place]) -> None:
    here = place(QUICK)
    here.is_refused(CLOSED, "no-sidecar")
    here.goes_through(UNSAID)


def test_hung_until_the_breaker_opens(place: Callable[[Sequence[str]], Place]) -> None:
    here = place(QUICK)
    here.daemon().freeze()
    here.is_refused(CLOSED, "timeout")
    here.goes_through(UNSAID)
    here.is_refused(CLOSED, "timeout")
    # One call a second tries all the same.
    for _ in range(2):
        here.is_refused(CLOSED, "(breaker-open|timeout)")


def test_slow(place: Callable[[Sequence[str]], Place]) -> None:
    here = place(["SCRIPTFORGE_TIMEOUT=300", "SCRIPTFORGE_BUDGET=2800"])
    here.daemon()
    here.is_refused(SLOW, "timeout", "slow")
    gateway = here.wire.gateway("gw-one")
    here.wire.caller("slow").finish()
    only_invite(gateway.finish())


def test_a_decision_that_cannot_be_carried_out(place: Callable[[Sequence[str]], Place], tmp_path: Path) -> None:
    here = place(QUICK)
    daemon = here.daemon()
    daemon.program.wait_for('"action":"serving"')
    position = daemon.program.position
    script = tmp_path / "daemon" / "catalog" / "scripts" / "headers.js"
    script.write_text("function main(data) { data.egress_routing = [{ gw: { nowhere: {} } }]; }\n")
    daemon.program.wait_for('"action":"catalog_loaded"', position)
    here.is_refused(CLOSED, "bad-decision")
    here.goes_through(UNSAID)


def test_an_open_route_where_all_others_are_closed(place: Callable[[Sequence[str]], Place]) -> None:
    here = place(GLOBALLY_CLOSED)
    here.is_refused(UNSAID, "no-sidecar")
    here.is_refused(CLOSED, "no-sidecar")
    here.goes_through(OPEN)


def test_a_policy_that_is_misspelt_is_closed_and_said(place: Callable[[Sequence[str]], Place]) -> None:
    here = place(QUICK)
    here.is_refused(MISSPELT, "no-sidecar")
    here.kamailio.program.wait_for("policy close of customer=headers is neither open nor closed")


def test_what_kamailio_refuses_without_the_sidecar_is_logged(place: Callable[[Sequence[str]], Place]) -> None:
    here = place(["SCRIPTFORGE_GATEWAY_TIMEOUT=300", "SCRIPTFORGE_SET_TERMINATION=9"])
    response = here.refusal(UNSAID, 503)
    assert response.reason == "No Route"
    here.kamailio.program.wait_for(f"refused status=503 reason=no-route .*call_id={response.get('Call-ID')}")
    response = here.refusal("127.0.0.99", 403)
    here.kamailio.program.wait_for(f"refused status=403 reason=unknown-customer .*call_id={response.get('Call-ID')}")


@pytest.mark.parametrize(
    ("method", "header", "status", "reason"),
    [
        ("INVITE", "Route: <sip:127.0.0.22;lr>", 403, "preloaded-route"),
        ("INVITE", "Max-Forwards: 0", 483, "too-many-hops"),
        ("PUBLISH", "X-A: b", 405, "method"),
    ],
)
def test_what_the_shipped_configuration_refuses_is_logged(
    place: Callable[[Sequence[str]], Place], method: str, header: str, status: int, reason: str
) -> None:
    here = place(QUICK)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.bind((UNSAID, 0))
        caller.settimeout(60)
        lines = [
            f"{method} sip:4930123@{here.kamailio.address} SIP/2.0",
            f"Via: SIP/2.0/UDP {UNSAID}:{caller.getsockname()[1]};branch=z9hG4bK{reason}",
            f"From: <sip:1@{UNSAID}>;tag=1",
            "To: <sip:4930123@h>",
            f"Call-ID: {reason}-call",
            f"CSeq: 1 {method}",
            header,
        ]
        request = "\r\n".join([*lines, "Content-Length: 0", "", ""])
        caller.sendto(request.encode(), (here.kamailio.address, here.kamailio.port))
        assert caller.recv(65_535).startswith(f"SIP/2.0 {status} ".encode())
    here.kamailio.program.wait_for(f"refused status={status} reason={reason} .*call_id={reason}-call")


def test_gateways_that_are_all_silent_are_logged(place: Callable[[Sequence[str]], Place]) -> None:
    here = place(["SCRIPTFORGE_GATEWAY_TIMEOUT=300"])
    for name in ("gw-one", "gw-two"):
        here.wire.silent_gateway(name)
    response = here.refusal(UNSAID, 408)
    call = f"call_id={response.get('Call-ID')}"
    here.kamailio.program.wait_for(f"refused status=408 reason=no-more-destinations .*{call}")


def test_what_was_carried_out_is_not_said_to_be_not(place: Callable[[Sequence[str]], Place]) -> None:
    here = place(QUICK)
    here.daemon()
    position = here.kamailio.program.position
    here.goes_through(UNSAID, decided=True)
    assert not here.kamailio.program.lines("not-carried-out", position)
