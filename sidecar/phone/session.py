"""One call from its ringing to its record, with one real worker and no daemon."""

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from sidecar.calls.calls import Calls
from sidecar.catalog.compile import make_script
from sidecar.catalog.model import Snapshot, VoiceAssignment
from sidecar.configuration.tree import Configuration, VoiceSection
from sidecar.hosts.desk_variables import DESK_APP
from sidecar.hosts.grants import Grants, shipped_grants
from sidecar.hosts.services import Services
from sidecar.kind import Kind
from sidecar.language.prepared import Prepared
from sidecar.operations.call_record import CallRecord
from sidecar.phone import terminal
from sidecar.phone.clock import Clock, SkippingLoop
from sidecar.phone.keys import Step
from sidecar.phone.line import PhoneLine
from sidecar.phone.scenario import Scenario
from sidecar.phone.script_watch import ScriptWatch
from sidecar.phone.transcript import Line, Transcript
from sidecar.phone.voice import Heard, Paced, Silent, Voice
from sidecar.runs.pool_settings import call_pool, one_worker
from sidecar.runs.runner import PoolName, Runner, ScriptRunner
from sipio.call_control import CallOffer, Hangup
from sipio.number import read_number

NO_STALL_SECONDS: Final = 86_400.0
"""There is no other script that a long turn could delay; and a watch by the clock would be misled where it skips."""
SOUNDS_CUSTOMER: Final = "user"
"""``user/x.wav`` of a script is user/x.wav below the sounds directory, as ``ivr/x.wav`` is ivr/x.wav."""


class PhoneCall(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be called and how."""

    script: Path
    text: str
    prepared: Prepared | None = None
    """What runs; None for what there is to prepare of the text alone."""
    from_user: str
    to_user: str
    variables: Mapping[str, Any] = {}
    environment: Mapping[str, str] = {}
    """The script's own, of ``process.env``."""
    app: str = DESK_APP
    headers: Sequence[tuple[str, str]] = ()
    """Of the INVITE."""
    steps: Sequence[Step] | None = None
    """A scenario; None for a person at the terminal."""
    now: datetime | None = None
    """The script's time when the call comes; None for the real one."""
    sounds: Path | None = None
    real_time: bool = False
    audible: bool = False


class PhoneResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    record: CallRecord
    script_lines: list[str]
    lines: list[Line]
    """All that happened on the call."""
    left: list[Step] = []
    """Steps of the scenario that the call was too short for."""


def call(asked: PhoneCall, show: Callable[[str], None]) -> PhoneResult:
    """Make the call. Raises SandboxError where no worker can be started."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(_call(asked, show))


async def _call(asked: PhoneCall, show: Callable[[str], None]) -> PhoneResult:
    with tempfile.TemporaryDirectory() as recordings:
        return await _recorded(asked, show, phone_configuration(asked, Path(recordings)))


async def _recorded(asked: PhoneCall, show: Callable[[str], None], configuration: Configuration) -> PhoneResult:
    settings = one_worker(call_pool(configuration))
    runner = Runner({PoolName.CALLS: msgspec.structs.replace(settings, stall_seconds=NO_STALL_SECONDS)})
    services = Services(configuration, at_desk=True)
    try:
        await runner.start(PoolName.CALLS)
        grants = shipped_grants(services)
        return await hold(asked, show, configuration, runner.pool(PoolName.CALLS), grants)
    finally:
        await runner.close()
        await services.close()


async def hold(
    asked: PhoneCall, show: Callable[[str], None], configuration: Configuration, pool: ScriptRunner, grants: Grants
) -> PhoneResult:
    """The call from its ringing to its record, in a pool that minds no stall; time is put forward on a `SkippingLoop`
    only."""
    scripted = asked.steps is not None
    clock = Clock(skips=scripted and not asked.real_time)
    changed, over = asyncio.Event(), asyncio.Event()
    transcript = Transcript(lambda: clock.now, show)
    records: list[CallRecord] = []

    def ended(record: CallRecord) -> None:
        records.append(record)
        over.set()
        changed.set()

    watch = ScriptWatch(
        pool,
        clock,
        lambda text: transcript.add("script", "logs", text),
        own_time=scripted,
        changed=changed,
        begin=asked.now,
    )
    calling, called = read_number(asked.from_user), read_number(asked.to_user)
    offer = CallOffer(
        id="phone",
        driver="phone",
        from_user=calling.text,
        to_user=called.text,
        from_parameters=calling.parameters,
        to_parameters=called.parameters,
        source="the terminal",
        headers=list(asked.headers),
    )
    line = PhoneLine(offer, clock, _voice(asked, clock), transcript, files_must_be_there=asked.sounds is not None)
    calls = Calls(watch, configuration, _snapshot(asked), ended, grants)
    left: list[Step] = []
    if asked.steps is not None:
        with clock.stopped():
            _offer(calls, line)
            scenario = Scenario(asked.steps, line, watch, clock, transcript, changed)
            await scenario.play(over)
        left = scenario.left
    else:
        with terminal.keys_to(line):
            _offer(calls, line)
            await over.wait()
    return PhoneResult(record=records[0], script_lines=transcript.script_lines(), lines=transcript.lines, left=left)


def _offer(calls: Calls, line: PhoneLine) -> None:
    taken = calls.offered(line)
    if isinstance(taken, Hangup):
        raise AssertionError("the only destination was not found")  # noqa: TRY004 - it is no wrong type
    line.begin(taken)


def _voice(asked: PhoneCall, clock: Clock) -> Voice:
    if asked.steps is not None and not asked.real_time:
        return Silent(clock)
    return Heard(clock) if asked.audible else Paced(clock)


def phone_configuration(asked: PhoneCall, recordings: Path) -> Configuration:
    """That of a call on which nothing is recorded but the names of recordings in this directory."""
    # Without a directory of sounds none is looked for; names are still checked as they are on a real call.
    sounds = asked.sounds or asked.script.parent / "sounds"
    return Configuration(voice=VoiceSection(sounds=sounds, recordings=recordings))


def _snapshot(asked: PhoneCall) -> Snapshot:
    name = asked.script.name
    script = make_script(
        id=name,
        name=name,
        kind=Kind.APP,
        text=asked.text,
        prepared=asked.prepared,
        environment=asked.environment,
        app=asked.app,
    )
    assignment = VoiceAssignment(script_id=script.id, customer=SOUNDS_CUSTOMER, variables=asked.variables)
    return Snapshot(scripts={name: script}, routes={}, dids={}, destinations={"*": assignment})
