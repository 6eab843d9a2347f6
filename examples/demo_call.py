"""SIP calls of the demo: SIPp places them, the shipped Kamailio configuration asks the daemon, SIPp answers them.

It starts the programs as the acceptance tests do, on loopback addresses and ports that nobody else has.
"""

import tempfile
from pathlib import Path

from examples.demo import DemoError, daemon, side_by_side
from sidecar.cli.terminal import Paint, Painter
from sidecar.text import escaped
from sipio.sip import Request
from tests.acceptance.kamailio import GATEWAYS, Kamailio
from tests.acceptance.sipp import Sipp, final_response, only_invite

CALLERS = {"127.0.0.41": "acme/header-add", "127.0.0.42": "acme/do-not-call"}
"""Customer and route by source address."""
CHANGED_NUMBER = "493099950007"
REFUSED_NUMBER = "493099950001"
REFUSAL = 603
GATEWAY = "gw-one"
SHOWN = ("X-Keep", "X-Tariff", "X-Account", "X-Priority")
"""Headers that the example concerns."""


def show_calls(paint: Painter) -> None:
    """A call that is changed and one that is refused, as they are on the wire. Raises DemoError."""
    with tempfile.TemporaryDirectory(prefix="scriptforge-") as temporary:
        directory = Path(temporary)
        kamailio = Kamailio(directory / "kamailio", customers=CALLERS)
        try:
            kamailio.wait_until_ready()
            position = kamailio.program.position
            with daemon(directory, [kamailio.peer]):
                kamailio.program.wait_for("sidecar connected", position)
                _show_changed(kamailio, directory, paint)
                _show_refused(kamailio, directory, paint)
        except AssertionError as error:  # how the acceptance tests' programs say that something did not happen
            raise DemoError(f"the SIP call: {error}") from error
        finally:
            kamailio.stop()


def _show_changed(kamailio: Kamailio, directory: Path, paint: Painter) -> None:
    gateway = Sipp(directory, "gateway", GATEWAYS[GATEWAY], port=kamailio.gateway_ports[GATEWAY])
    try:
        gateway.wait_until_bound()
        tariff = ("X-Keep: kept\n", "X-Keep: kept\nX-Tariff: silver\n")
        caller = _caller(kamailio, directory, "caller", "acme/header-add", CHANGED_NUMBER, tariff)
        trace = caller.finish()
        received = only_invite(gateway.finish())
    finally:
        gateway.stop()
    sent = next(item.message for item in trace if not item.received)
    if not isinstance(sent, Request):
        raise DemoError("the caller sent no request")
    source = f"SIPp at {caller.address}, Kamailio at {kamailio.address}, gateway at {gateway.address}"
    print(f"{paint('A SIP call through Kamailio', Paint.TITLE)}  {source}")
    print(side_by_side(_shown(sent), [_paint_new(line, sent, paint) for line in _shown(received)], paint))
    print(f"  The gateway rang and answered: {final_response(trace).status} {final_response(trace).reason}.\n")


def _show_refused(kamailio: Kamailio, directory: Path, paint: Painter) -> None:
    answer = ('response="404"', f'response="{REFUSAL}"')
    caller = _caller(kamailio, directory, "refused", "acme/do-not-call", REFUSED_NUMBER, answer)
    response = final_response(caller.finish())
    print(f"{paint('And one that a script refuses', Paint.TITLE)}  SIPp at {caller.address} calls {REFUSED_NUMBER}")
    print(f"  The caller is told: {paint(f'{response.status} {response.reason}', Paint.BAD)}\n")


def _caller(
    kamailio: Kamailio, directory: Path, scenario: str, customer: str, number: str, replace: tuple[str, str]
) -> Sipp:
    source = next(address for address, tag in CALLERS.items() if tag == customer)
    options = (f"{kamailio.address}:{kamailio.port}", "-s", number)
    return Sipp(directory, scenario, source, options=options, replace=replace)


def _shown(invite: Request) -> list[str]:
    caller = invite.address("From")
    lines = [f"INVITE {invite.request_uri().user}", f"From: {caller.uri.user if caller is not None else ''}"]
    for name in SHOWN:
        lines += [f"{name}: {value}" for value in invite.get_all(name)]
    return [escaped(line) for line in lines]


def _paint_new(line: str, sent: Request, paint: Painter) -> str:
    return line if line in _shown(sent) else paint(line, Paint.GOOD)
