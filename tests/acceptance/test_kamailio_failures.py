"""What becomes of calls when the sidecar is gone or hangs: the operator's policy, never an accident."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.daemon import Daemon
from tests.acceptance.kamailio import CONFIGURATION, Kamailio
from tests.acceptance.processes import require_program
from tests.acceptance.sipp import final_response, only_invite
from tests.acceptance.wire import Wire

QUICK = ["SCRIPTFORGE_TIMEOUT=300", "SCRIPTFORGE_BUDGET=250", "SCRIPTFORGE_TRIP=3"]
DECISION = '"action":"decision".*"customer":"headers"'
CLOSED = [*QUICK, "SCRIPTFORGE_FAIL_CLOSED"]


class Place:
    """One Kamailio, its sidecars, callers and gateways."""

    def __init__(self, directory: Path, definitions: list[str], stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self.kamailio = Kamailio(directory / "kamailio", definitions)
        stack.callback(self.kamailio.stop)
        self.kamailio.wait_until_ready()
        self.wire = Wire(self.kamailio, directory)
        stack.callback(self.wire.stop)

    def daemon(self, name: str = "daemon") -> Daemon:
        started = Daemon(self._directory / name, [self.kamailio])
        self._stack.callback(started.stop)
        return started

    def falls_back(self, reason: str, since: int) -> None:
        self.kamailio.program.wait_for(f"fallback reason={reason}", since)

    def call_is_decided(self) -> None:
        gateway = self.wire.gateway("gw-one")
        self.wire.caller("headers").finish()
        assert only_invite(gateway.finish()).get_all("X-Route") == ["gold"]

    def call_goes_through_undecided(self, reason: str) -> None:
        position = self.kamailio.program.position
        gateway = self.wire.gateway("gw-one")
        self.wire.caller("headers").finish()
        invite = only_invite(gateway.finish())
        assert invite.get("X-Route") is None
        assert invite.get("X-Secret") == "not for gateways"
        self.falls_back(reason, position)

    def call_is_refused(self, reason: str) -> None:
        position = self.kamailio.program.position
        trace = self.wire.caller("headers", "refused", status=503).finish()
        assert final_response(trace).reason == "Routing Unavailable"
        self.falls_back(reason, position)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[[list[str]], Place]]:
    with ExitStack() as stack:
        yield lambda definitions: Place(tmp_path, definitions, stack)


def test_killed_and_open_then_back(place: Callable[[list[str]], Place]) -> None:
    here = place(QUICK)
    daemon = here.daemon()
    position = here.kamailio.program.position
    daemon.kill()
    here.kamailio.program.wait_for("sidecar gone", position)
    here.call_goes_through_undecided("no-sidecar")
    here.daemon("again")
    here.call_is_decided()


def test_killed_and_closed(place: Callable[[list[str]], Place]) -> None:
    here = place(CLOSED)
    daemon = here.daemon()
    position = here.kamailio.program.position
    daemon.kill()
    here.kamailio.program.wait_for("sidecar gone", position)
    here.call_is_refused("no-sidecar")


def test_killed_while_a_call_waits(place: Callable[[list[str]], Place]) -> None:
    here = place(["SCRIPTFORGE_TIMEOUT=800", "LOG_LEVEL=3"])
    daemon = here.daemon()
    gateway = here.wire.gateway("gw-one")
    caller = here.wire.caller("slow")
    here.kamailio.program.wait_for("scriptforge: asked")
    daemon.kill()
    caller.finish()
    only_invite(gateway.finish())


def test_frozen_and_open_trips_the_breaker_and_recovers(place: Callable[[list[str]], Place]) -> None:
    here = place(QUICK)
    daemon = here.daemon()
    daemon.freeze()
    for _ in range(3):
        here.call_goes_through_undecided("timeout")
    # One call a second tries all the same, so of two that follow each other one is not held up.
    position = here.kamailio.program.position
    gateway = here.wire.gateway("gw-one", calls=2)
    here.wire.caller("headers", calls=2, rate=100).finish()
    gateway.finish()
    here.falls_back("breaker-open", position)
    daemon.thaw()
    here.kamailio.program.wait_for("breaker closed", position)
    here.call_is_decided()


def test_frozen_and_closed(place: Callable[[list[str]], Place]) -> None:
    here = place(CLOSED)
    here.daemon().freeze()
    here.call_is_refused("timeout")


def test_two_sidecars_share_the_calls_and_one_takes_all_that_is_left(place: Callable[[list[str]], Place]) -> None:
    here = place(QUICK)
    one, other = here.daemon("one"), here.daemon("other")
    for _ in range(4):
        here.call_is_decided()
    for daemon in (one, other):
        assert len(daemon.program.lines(DECISION)) == 2
    position = here.kamailio.program.position
    one.kill()
    here.kamailio.program.wait_for("sidecar gone", position)
    here.call_is_decided()
    here.call_is_decided()
    assert len(other.program.lines(DECISION)) == 4


def test_a_call_of_a_frozen_sidecar_is_decided_by_the_other_and_soon_it_gets_hardly_any(
    place: Callable[[list[str]], Place],
) -> None:
    here = place(QUICK)
    one, other = here.daemon("one"), here.daemon("other")
    one.freeze()
    position = here.kamailio.program.position
    while not here.kamailio.program.lines("breaker open", position):
        here.call_is_decided()
    assert len(here.kamailio.program.lines("asked again", position)) == 3
    one.thaw()
    here.kamailio.program.wait_for("breaker closed", position)
    assert not here.kamailio.program.lines("fallback", position)
    assert other.program.lines(DECISION)


def test_where_all_are_silent_a_call_goes_by_its_policy_after_two_of_them(
    place: Callable[[list[str]], Place],
) -> None:
    here = place(QUICK)
    for name in ("one", "other"):
        here.daemon(name).freeze()
    position = here.kamailio.program.position
    here.call_goes_through_undecided("timeout")
    assert len(here.kamailio.program.lines("asked again", position)) == 1


def test_the_policies_of_the_page_are_a_configuration(tmp_path: Path) -> None:
    page = (CONFIGURATION.parents[2] / "docs" / "kamailio.md").read_text()
    (block,) = re.findall(r"^    route\[SCRIPTFORGE_POLICY\] \{\n(?:        .*\n)+    \}\n", page, re.MULTILINE)
    include = CONFIGURATION.with_name("scriptforge.cfg")
    own = f'#!define SCRIPTFORGE_OWN_POLICY\ninclude_file "{include}"\n{block}'
    text = CONFIGURATION.read_text()
    assert text.count('include_file "scriptforge.cfg"\n') == 1
    configuration = tmp_path / "kamailio.cfg"
    configuration.write_text(text.replace('include_file "scriptforge.cfg"\n', own))
    checked = subprocess.run(
        [require_program("kamailio"), "-c", "-f", str(configuration)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "ERROR" not in checked.stderr


def test_the_include_fits_an_existing_configuration_with_its_own_route_blocks(tmp_path: Path) -> None:
    include = CONFIGURATION.with_name("scriptforge.cfg")
    names = ("tm", "tmx", "sl", "rr", "pv", "textops", "xlog")
    configuration = tmp_path / "existing.cfg"
    configuration.write_text(
        "#!KAMAILIO\nlisten=udp:127.0.0.10:5060\n"
        + "".join(f'loadmodule "{name}.so"\n' for name in names)
        + "#!define SCRIPTFORGE_OWN_CUSTOMER\n#!define SCRIPTFORGE_OWN_CANDIDATES\n"
        + "#!define SCRIPTFORGE_OWN_RELAY\n#!define SCRIPTFORGE_OWN_REFUSED\n"
        + f'include_file "{include}"\n'
        + "request_route { record_route(); route(SCRIPTFORGE); }\n"
        + 'route[SCRIPTFORGE_CUSTOMER] { $var(sf_customer) = "acme"; return 1; }\n'
        + 'route[SCRIPTFORGE_CANDIDATES] { $var(sf_plan) = "sip:127.0.0.21|||||duid=one\\n"; }\n'
        + "route[SCRIPTFORGE_RELAY] { t_relay(); }\n"
        + 'route[SCRIPTFORGE_REFUSED] { sl_send_reply("403", "No"); }\n'
    )
    checked = subprocess.run(
        [require_program("kamailio"), "-c", "-f", str(configuration)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "ERROR" not in checked.stderr
    assert "non existing route" not in checked.stderr
