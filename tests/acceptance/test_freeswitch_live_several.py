"""Two sidecars of one real FreeSWITCH, behind HAProxy as config/freeswitch has it: whatever is killed, calls are
decided, each once."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from sipio.sip.events import SessionAnswered, SessionEnded
from tests.acceptance.freeswitch_live import FREESWITCH, ONE, needs_freeswitch
from tests.acceptance.phone import FarCall, Phone, phone
from tests.acceptance.processes import Program, require_program, wait_until
from tests.acceptance.serving import ROOT, metrics
from tests.acceptance.sipp import Sipp, requests
from tests.acceptance.voice_daemon import VoiceDaemon, write_wav
from tests.sipio.media.media_doubles import tone

pytestmark = [needs_freeswitch, pytest.mark.timeout(300)]

PORT, HEALTH_PORT = 8084, 9464
EAST, WEST, SPARE = "127.0.0.11", "127.0.0.12", "127.0.0.13"
RATE: Final = 20
CALLS: Final = 4
"""That scripts drive, in each sidecar."""
PLAYED: Final = 700
"""Hz."""
DECIDE = """async function main(data) {
  data.headers = [{ key: 'X-Decided', value: 'yes' }];
  if (data.routing.dest_number === '82000002') await new Promise((resolve) => setTimeout(resolve, 300));
}
"""
SCRIPTS = {
    "6001": "await ctx.answer(); for (;;) await ctx.play('ivr/long.wav');",
}


class Several(NamedTuple):
    """Both sidecars, and what is before them."""

    daemons: dict[str, VoiceDaemon]
    folder: Path
    balancer: Program

    def started(self, name: str, voice: str = "") -> VoiceDaemon:
        """A sidecar, started anew."""
        folder = self.folder / f"{name}-{len(list(self.folder.glob(f'{name}-*')))}"
        folder.mkdir()
        host = {"east": EAST, "west": WEST}[name]
        made = VoiceDaemon(
            folder,
            SCRIPTS,
            voice=voice,
            host=host,
            more=f'[freeswitch]\nlisten = "{host}:{PORT}"\n',
            files={"decide.js": DECIDE},
            routes='[[script]]\nfile = "decide.js"\nkind = "app"\n[[route]]\ncustomer = "acme"\nscript = "decide"\n',
            environment={"SCRIPTFORGE_METRICS__LISTEN": f"{host}:{HEALTH_PORT}"},
        )
        write_wav(made.sounds / "ivr" / "long.wav", tone(PLAYED, 1.5))
        self.daemons[name] = made
        return made.ready()

    def until_up(self, name: str, since: int = 0) -> None:
        """Return once HAProxy gives it calls again, of both classes."""
        for port in ("class4", "class5"):
            self.balancer.wait_for(f"scriptforge-{port}/{name} is UP", since)

    def until_down(self, name: str, since: int = 0) -> None:
        """Return once HAProxy gives it none."""
        for port in ("class4", "class5"):
            self.balancer.wait_for(f"scriptforge-{port}/{name} is DOWN", since)

    def decided(self) -> dict[str, int]:
        """Decisions of each, in all their lives."""
        found = Counter[str]()
        for log in self.folder.glob("*/daemon.log"):
            found[log.parent.name.split("-")[0]] += log.read_text().count('"action":"decision"')
        return found


def kill(daemon: VoiceDaemon) -> None:
    daemon.serving.program.signal(signal.SIGKILL)
    daemon.serving.program.finish()


@pytest.fixture
def several(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Several]:
    """``request.param``: what section ``voice`` of the first has."""
    addresses = {
        "SCRIPTFORGE_EAST": EAST,
        "SCRIPTFORGE_WEST": WEST,
        "SCRIPTFORGE_SPARE": SPARE,
        "SCRIPTFORGE_CALLS": str(CALLS),
    }
    balancer = Program(
        [require_program("haproxy"), "-db", "-f", str(ROOT / "config" / "freeswitch" / "haproxy.cfg")],
        tmp_path / "haproxy.log",
        tmp_path,
        environment={**os.environ, **addresses},
    )
    made = Several({}, tmp_path, balancer)
    try:
        made.until_down("east")
        made.started("east", getattr(request, "param", ""))
        made.started("west")
        for name in made.daemons:
            made.until_up(name)
        yield made
    finally:
        for daemon in made.daemons.values():
            daemon.stop()
        balancer.stop()


def call(caller: Phone, number: str) -> FarCall:
    return caller.call(f"sip:{number}@{FREESWITCH}")


def test_each_of_two_is_killed_in_turn_and_every_call_is_decided_once(several: Several, tmp_path: Path) -> None:
    calls = RATE * 30
    options = ("-timeout", "120s")
    gateway = Sipp(tmp_path, "gateway", "127.0.0.1", port=ONE, calls=calls, options=options).wait_until_bound()
    caller = Sipp(
        tmp_path,
        "caller",
        "127.0.0.1",
        calls=calls,
        options=("-s", "82000002", "-r", str(RATE), *options, FREESWITCH),
    )
    try:
        wait_until(lambda: sum(several.decided().values()) > 40, "calls are decided")
        shares = several.decided()
        assert shares["east"] == pytest.approx(3 * shares["west"], abs=12)
        for name in ("east", "west"):
            since = several.balancer.position
            kill(several.daemons[name])
            several.until_down(name, since)
            several.started(name)
            several.until_up(name, since)
        caller.finish()
        invites = requests(gateway.finish(), "INVITE")
    finally:
        caller.stop()
        gateway.stop()
    assert len({invite.get("call-id") for invite in invites}) == calls, "one call each, to the first gateway"
    assert [invite.get_all("x-decided") for invite in invites] == [["yes"]] * len(invites)
    killed = sum(several.decided().values())
    assert calls <= killed, "those that died with their sidecar are not in its log"


async def test_one_that_is_frozen_has_its_call_decided_by_the_other(several: Several) -> None:
    async with phone("127.0.0.71") as caller, phone("127.0.0.1", port=ONE) as gateway:
        program = several.daemons["east"].serving.program
        program.signal(signal.SIGSTOP)
        made = [call(caller, "82000001") for _ in range(8)]
        for one in made:
            await one.wait_for(SessionAnswered)
        assert several.decided() == {"west": 8, "east": 0}
        assert all(rung.session.request.get("x-decided") == "yes" for rung in gateway.calls)
        assert len(gateway.calls) == 8
        for one in made:
            one.session.bye()
            await one.wait_for(SessionEnded)
        program.signal(signal.SIGCONT)


def runs(host: str) -> float:
    """Decisions and calls under way in a sidecar."""
    return sum(value for (name, *_), value in metrics(HEALTH_PORT, host).items() if name == "scriptforge_queue_depth")


async def test_calls_that_one_has_when_it_dies_are_decided_by_the_other(several: Several) -> None:
    async with phone("127.0.0.71") as caller, phone("127.0.0.1", port=ONE) as gateway:
        several.daemons["east"].serving.program.signal(signal.SIGSTOP)
        made = [call(caller, "82000001") for _ in range(4)]
        await asyncio.to_thread(wait_until, lambda: several.decided()["west"] == 1, "one in four is the other's")
        kill(several.daemons["east"])
        for one in made:
            await one.wait_for(SessionAnswered)
        assert several.decided() == {"west": 4, "east": 0}
        assert [rung.session.request.get("x-decided") for rung in gateway.calls] == ["yes"] * 4
        for one in made:
            one.session.bye()
            await one.wait_for(SessionEnded)


async def test_without_any_sidecar_calls_go_by_the_dialplan_s_own_routing(several: Several) -> None:
    for name in ("east", "west"):
        kill(several.daemons[name])
    async with phone("127.0.0.71") as caller, phone("127.0.0.1", port=ONE) as gateway:
        made = call(caller, "82000001")
        await made.wait_for(SessionAnswered)
        assert [rung.session.request.get("x-decided") for rung in gateway.calls] == [None]
        made.session.bye()
        await made.wait_for(SessionEnded)
        assert (await call(caller, "6001").wait_for(SessionEnded)).status == 503


@pytest.mark.parametrize("several", ["drain_seconds = 60"], indirect=True)
async def test_one_that_stops_keeps_its_calls_and_gets_no_new_ones(several: Several) -> None:
    async with phone("127.0.0.71") as caller, phone("127.0.0.1", port=ONE) as gateway:
        up = await driven_by(caller, EAST)
        since = several.balancer.position
        os.kill(several.daemons["east"].serving.pid, signal.SIGTERM)
        made = [call(caller, "82000001") for _ in range(8)]
        for one in made:
            await one.wait_for(SessionAnswered)
        assert [rung.session.request.get("x-decided") for rung in gateway.calls] == ["yes"] * 8
        await asyncio.to_thread(several.until_down, "east", since)
        before = several.decided()
        later = [call(caller, "82000001") for _ in range(8)]
        for one in later:
            await one.wait_for(SessionAnswered)
        assert several.decided() == {"east": before["east"], "west": before["west"] + 8}
        new = call(caller, "6001")
        await new.until_heard(PLAYED)
        assert runs(WEST) == 1
        await up.stays_up(0.2)
        for one in (up, new, *made, *later):
            one.session.bye()
            await one.wait_for(SessionEnded)


async def driven_by(caller: Phone, host: str) -> FarCall:
    """A call that a script of this sidecar drives."""
    while True:
        made = call(caller, "6001")
        await made.until_heard(PLAYED)
        if runs(host):
            return made
        made.session.bye()
        await made.wait_for(SessionEnded)


@pytest.mark.parametrize("several", [f"calls = {CALLS}"], indirect=True)
async def test_a_call_that_one_has_no_room_for_is_driven_by_the_other(several: Several) -> None:
    async with phone("127.0.0.71") as caller:
        made = []
        for _ in range(2 * CALLS):
            made.append(call(caller, "6001"))
            await made[-1].until_heard(PLAYED)
        await asyncio.to_thread(wait_until, lambda: runs(EAST) == runs(WEST) == CALLS, "both have theirs")
        assert (await call(caller, "6001").wait_for(SessionEnded)).status == 503
        for one in made:
            one.session.bye()
            await one.wait_for(SessionEnded)


async def test_a_script_that_has_begun_is_not_begun_again_when_its_sidecar_dies(several: Several) -> None:
    async with phone("127.0.0.71") as caller:
        made = await driven_by(caller, EAST)
        kill(several.daemons["east"])
        assert (await made.wait_for(SessionEnded)).reason == "BYE"
        assert several.daemons["west"].serving.records("call") == []


async def test_a_call_whose_script_had_not_begun_when_its_sidecar_died_is_driven_by_the_other(several: Several) -> None:
    async with phone("127.0.0.71") as caller:
        several.daemons["east"].serving.program.signal(signal.SIGSTOP)
        made = [call(caller, "6001") for _ in range(4)]
        await asyncio.to_thread(wait_until, lambda: runs(WEST) == 1, "one in four is the other's")
        kill(several.daemons["east"])
        for one in made:
            await one.until_heard(PLAYED)
        await asyncio.to_thread(wait_until, lambda: runs(WEST) == 4, "all are the other's")
        for one in made:
            one.session.bye()
            await one.wait_for(SessionEnded)
