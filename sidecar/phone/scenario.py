"""Plays a scenario: each key is pressed once the script has played its prompt and listens, and time passes only when
nothing else can happen."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from sidecar.phone.clock import Clock, Timer
from sidecar.phone.keys import HangUp, Party, PartyAction, Press, Step, Wait, in_words
from sidecar.phone.line import Busy, PhoneLine
from sidecar.phone.script_watch import ScriptWatch
from sidecar.phone.transcript import Transcript

PATIENCE_SECONDS: Final = 300.0
"""A script that has gone on this long without asking for what the scenario has next is hung up on."""
PATIENCE_ACTIONS: Final = 200
"""And after this many actions: a menu that speaks over and over takes no time when nobody hears it."""
GRACE_STEP_SECONDS: Final = 1.0

_HEARD: Final = (Busy.PLAYING, Busy.COLLECTING)
"""Something is played, a prompt of an `ivr` perhaps."""


class Scenario:
    """The caller and the other party, as written."""

    def __init__(
        self,
        steps: Sequence[Step],
        line: PhoneLine,
        script: ScriptWatch,
        clock: Clock,
        transcript: Transcript,
        changed: asyncio.Event,
    ) -> None:
        self._steps = deque(steps)
        self._line = line
        self._script = script
        self._clock = clock
        self._transcript = transcript
        self._changed = changed
        self._wait: Timer | None = None
        self._since = 0.0
        self._actions = 0

    @property
    def left(self) -> list[Step]:
        """What was not played, since the call ended before."""
        return list(self._steps)

    async def play(self, over: asyncio.Event) -> None:
        """Play until ``over`` is set."""
        while not over.is_set():
            await self._script.idle()
            await asyncio.sleep(0)
            while self._line.beginning:  # noqa: ASYNC110 - each turn of the loop is one of theirs
                # One that takes no time has the next one begin: time that passed in between would be nobody's.
                await asyncio.sleep(0)
            if over.is_set() or self._act():
                continue
            if not self._line.ended and self._out_of_patience():
                self._note("have nothing that the script asks for")
                self._line.hang_up()
            elif self._clock.waits:
                await self._clock.advance(self._changed)
            elif self._line.ended or self._script.over:
                # The script has its time to finish, or the call its time to end.
                await self._clock.pass_time(GRACE_STEP_SECONDS, self._changed)
            else:
                await self._nothing_can_happen()

    def _act(self) -> bool:
        """Do the next step if its time has come."""
        if self._line.ended:
            return False
        step = self._steps[0] if self._steps else None
        if isinstance(step, Wait):
            return self._wait_through(step)
        if isinstance(step, HangUp):
            self._played()
            self._line.hang_up()
            return True
        busy = self._line.busy
        if busy in (Busy.RINGING, Busy.BRIDGED):
            return self._other_party(step, busy)
        if isinstance(step, Press) and (self._hears(busy) or (step.ahead and busy in _HEARD)):
            self._played()
            self._line.press(step.digit)
            return True
        return False

    def _hears(self, busy: Busy) -> bool:
        # Who writes a scenario wants to see that each prompt was played: nobody is interrupted.
        return self._script.listening or self._line.prompted or busy is Busy.ECHOING

    def _wait_through(self, step: Wait) -> bool:
        if self._wait is None:
            self._wait = self._clock.call_later(step.seconds, self._changed.set)
            return True
        if not self._wait.over:
            return False
        self._wait = None
        self._played()
        return True

    def _other_party(self, step: Step | None, busy: Busy) -> bool:
        if isinstance(step, Party):
            if (step.action is PartyAction.END) == (busy is Busy.BRIDGED):
                self._played()
                self._line.party(step.action)
            else:
                # `busy` for a party that has answered, or `end` for one that has not: what is missing comes first.
                self._line.party(PartyAction.END if busy is Busy.BRIDGED else PartyAction.ANSWER)
        elif busy is Busy.RINGING:
            self._line.party(PartyAction.ANSWER)
        elif isinstance(step, Press) and self._script.listening:
            self._played()
            self._line.press(step.digit)
        else:
            self._line.party(PartyAction.END)
        return True

    async def _nothing_can_happen(self) -> None:
        if self._steps:
            step = self._steps.popleft()
            if isinstance(step, Press):
                self._line.press(step.digit)
                self._note("were not listened to")
            else:
                self._note(f"have `{in_words(step)}`, and nobody is being called")
        elif self._line.busy is not Busy.NOTHING or self._script.waits_for_hangup or self._script.listening:
            self._note("have nothing more")
            self._line.hang_up()
        elif not await self._script.release():
            # The engine sees something that may still happen, and nobody else does.
            self._line.hang_up()

    def _out_of_patience(self) -> bool:
        if self._wait is not None:
            return False
        return (
            self._clock.now - self._since > PATIENCE_SECONDS or self._line.performed - self._actions > PATIENCE_ACTIONS
        )

    def _played(self) -> None:
        self._steps.popleft()
        self._since = self._clock.now
        self._actions = self._line.performed

    def _note(self, text: str) -> None:
        self._transcript.add("phone", "--keys", text)
