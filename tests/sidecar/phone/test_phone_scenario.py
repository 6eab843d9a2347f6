"""A scenario lets time pass only when nothing else can happen."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from sidecar.phone.clock import Clock, SkippingLoop
from sidecar.phone.line import PhoneLine
from sidecar.phone.scenario import Scenario
from sidecar.phone.script_watch import ScriptWatch
from sidecar.phone.transcript import Transcript
from sidecar.phone.voice import Silent
from sipio.call_control import ActionResult, CallEvent, CallOffer, Hangup, HungUp, Record


class EndedScript:
    """A script that is over, whose last actions were not awaited."""

    over = True
    listening = waits_for_hangup = False

    async def idle(self) -> None:
        """Nothing is left to do for it."""


class Actions:
    """Performs recordings one after the other and then a hang-up, and keeps when the call ended."""

    def __init__(self, line: PhoneLine, clock: Clock, recordings: int) -> None:
        self._line, self._clock = line, clock
        self._left = recordings
        self.over = asyncio.Event()
        self.ended_at: float | None = None

    def next(self, _result: ActionResult | None = None) -> None:
        done: Callable[[ActionResult], None] = self.next if self._left else lambda _: None
        action = Record(name="a.wav", path=Path("a.wav"), stereo=False) if self._left else Hangup()
        self._left -= 1
        self._line.perform(action, done)

    def event(self, event: CallEvent) -> None:
        if isinstance(event, HungUp):
            self.ended_at = self._clock.now
            self.over.set()


async def _play(recordings: int) -> float | None:
    clock = Clock(skips=True)
    transcript = Transcript(lambda: clock.now, lambda _: None)
    offer = CallOffer(id="phone", driver="phone", from_user="1", to_user="100")
    line = PhoneLine(offer, clock, Silent(clock), transcript, files_must_be_there=False)
    actions = Actions(line, clock, recordings)
    line.begin(actions)
    scenario = Scenario([], line, cast("ScriptWatch", EndedScript()), clock, transcript, asyncio.Event())
    with clock.stopped():
        actions.next()
        await scenario.play(actions.over)
    return actions.ended_at


@pytest.mark.parametrize("recordings", [0, 1, 5])
def test_actions_that_take_no_time_take_none_though_each_waits_for_the_one_before(recordings: int) -> None:
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        assert runner.run(_play(recordings)) == pytest.approx(0.0, abs=0.1)
