"""SIP calls of the demo: SIPp places them, the shipped Kamailio configuration asks the daemon, SIPp answers them.

It starts the programs as the acceptance tests do, on loopback addresses and ports that nobody else has.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.demo import DemoError, daemon, side_by_side
from sidecar.cli.terminal import Paint, Painter
from sidecar.text import escaped
from sipio.sip import Request
from tests.acceptance.kamailio import GATEWAYS, Kamailio
from tests.acceptance.sipp import Sipp, Traced, final_response, only_invite

CALLERS = {"127.0.0.41": "acme/header-add", "127.0.0.42": "acme/do-not-call"}
"""Customer and route by source address."""
COUNTED = "127.0.0.44"
"""Who calls on the route to which the demo's App is assigned."""
CHANGED_NUMBER = "493099950007"
REFUSED_NUMBER = "493099950001"
REFUSAL = 603
GATEWAY = "gw-one"
CALLER = "15557770001"
"""Who calls in SIPp's scenarios."""
SHOWN = ("X-Keep", "X-Tariff", "X-Account", "X-Priority")
"""Headers that the example concerns."""


def show_calls(paint: Painter) -> None:
    """A call that is changed and one that is refused, as they are on the wire. Raises DemoError."""
    with tempfile.TemporaryDirectory(prefix="scriptforge-") as temporary:
        directory = Path(temporary)
        kamailio = Kamailio(directory / "kamailio", customers=CALLERS)
        try:
            with _told_as_demo_error():
                kamailio.wait_until_ready()
                position = kamailio.program.position
                with daemon(directory, [kamailio.peer]):
                    kamailio.program.wait_for("sidecar connected", position)
                    _show_changed(kamailio, directory, paint)
                    _show_refused(kamailio, directory, paint)
        finally:
            kamailio.stop()


@contextmanager
def counting_kamailio(directory: Path, customer: str) -> Iterator[Kamailio]:
    """A Kamailio for one customer and route, ready for calls and for a daemon. Raises DemoError."""
    kamailio = Kamailio(directory / "kamailio", customers={COUNTED: customer})
    try:
        with _told_as_demo_error():
            kamailio.wait_until_ready()
        yield kamailio
    finally:
        kamailio.stop()


def show_counted(kamailio: Kamailio, directory: Path, number: str, header: str, paint: Painter) -> None:
    """A call of this number, and the header that its gateway is told. Raises DemoError."""
    with _told_as_demo_error():
        caller, _, received = _through(kamailio, directory, COUNTED, (CALLER, number))
    print(f"{paint('The next one through Kamailio', Paint.TITLE)}  SIPp at {caller.address} calls as {number}")
    print(f"  The gateway is told {paint(escaped(f'{header}: {received.get(header)}'), Paint.GOOD)}\n")


def _show_changed(kamailio: Kamailio, directory: Path, paint: Painter) -> None:
    tariff = ("X-Keep: kept\n", "X-Keep: kept\nX-Tariff: silver\n")
    caller, trace, received = _through(kamailio, directory, _source("acme/header-add"), tariff)
    sent = next(item.message for item in trace if not item.received)
    if not isinstance(sent, Request):
        raise DemoError("the caller sent no request")
    source = f"SIPp at {caller.address}, Kamailio at {kamailio.address}, gateway at {GATEWAYS[GATEWAY]}"
    print(f"{paint('A SIP call through Kamailio', Paint.TITLE)}  {source}")
    print(side_by_side(_shown(sent), [_paint_new(line, sent, paint) for line in _shown(received)], paint))
    print(f"  The gateway rang and answered: {final_response(trace).status} {final_response(trace).reason}.\n")


def _through(
    kamailio: Kamailio, directory: Path, source: str, replace: tuple[str, str]
) -> tuple[Sipp, list[Traced], Request]:
    """A call from this address that is answered: the caller, what it saw, what the gateway was sent."""
    gateway = Sipp(directory, "gateway", GATEWAYS[GATEWAY], port=kamailio.gateway_ports[GATEWAY])
    try:
        gateway.wait_until_bound()
        caller = _caller(kamailio, directory, "caller", source, CHANGED_NUMBER, replace)
        return caller, caller.finish(), only_invite(gateway.finish())
    finally:
        gateway.stop()


def _show_refused(kamailio: Kamailio, directory: Path, paint: Painter) -> None:
    answer = ('response="404"', f'response="{REFUSAL}"')
    caller = _caller(kamailio, directory, "refused", _source("acme/do-not-call"), REFUSED_NUMBER, answer)
    response = final_response(caller.finish())
    print(f"{paint('And one that a script refuses', Paint.TITLE)}  SIPp at {caller.address} calls {REFUSED_NUMBER}")
    print(f"  The caller is told: {paint(f'{response.status} {response.reason}', Paint.BAD)}\n")


def _caller(
    kamailio: Kamailio, directory: Path, scenario: str, source: str, number: str, replace: tuple[str, str]
) -> Sipp:
    options = (f"{kamailio.address}:{kamailio.port}", "-s", number)
    return Sipp(directory, scenario, source, options=options, replace=replace)


def _source(customer: str) -> str:
    return next(address for address, tag in CALLERS.items() if tag == customer)


@contextmanager
def _told_as_demo_error() -> Iterator[None]:
    try:
        yield
    except (AssertionError, subprocess.TimeoutExpired) as error:  # how the acceptance tests' programs say so
        raise DemoError(f"the SIP call: {error}") from error


def _shown(invite: Request) -> list[str]:
    caller = invite.address("From")
    lines = [f"INVITE {invite.request_uri().user}", f"From: {caller.uri.user if caller is not None else ''}"]
    for name in SHOWN:
        lines += [f"{name}: {value}" for value in invite.get_all(name)]
    return [escaped(line) for line in lines]


def _paint_new(line: str, sent: Request, paint: Painter) -> str:
    return line if line in _shown(sent) else paint(line, Paint.GOOD)
