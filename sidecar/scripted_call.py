"""One call and the script that drives it.

The script's run waits in memory between its awaits. Its actions are done strictly in the order in which they were asked
for, one at a time, whether the script awaits them or not; the call is ended when the script is over, whatever its end
was, and the script is told when the call is over, whoever ended it.
"""

import asyncio
import functools
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
from msgspec import structs

from sandbox.outcome import Completion, Crashed, Refused, Returned
from sandbox.program import Invocation, Limits
from sandbox.stack import author_location
from sidecar import call_actions, programs
from sidecar.call_actions import ActionError, Asked, Places
from sidecar.call_record import CallNotes, CallRecord
from sidecar.catalog.model import VoiceAssignment
from sidecar.configuration import Configuration
from sidecar.script_ending import ending_of, refusal
from sipio.call_control import (
    ActionResult,
    Answer,
    Bridge,
    Bridged,
    CallControl,
    CallEvent,
    CallOffer,
    DigitPressed,
    Digits,
    Done,
    Failed,
    Hangup,
    HangupBy,
    HungUp,
    HungUpDuring,
    LegEvent,
    PendingAction,
    Record,
    RecordingFinished,
)
from sipio.causes import cause_of, status_of
from sipio.reasons import reason_phrase

QUEUED_ACTIONS: Final = 1_000
"""Actions of one call asked for and not begun: a script that does not await is allowed as many and no more."""
HEARD_DIGITS: Final = 1_000
"""Digits kept for a script that has asked for them and not yet come back for more."""
END_SECONDS: Final = 10.0
"""After this long without the driver's word that a call has ended, its record is closed without."""
RECORDING_SECONDS: Final = 2.0
"""A disk that takes longer to finish a recording is not waited for by the call's record."""
TURN_SECONDS: Final = 2.0
"""Time of one turn of a script, from one await to the next."""


class Script(Protocol):
    """A run in the sandbox: `sandbox.pool.Run` is one."""

    def cancel(self) -> None: ...

    def settle(self, call_id: int, value: bytes) -> None: ...

    def fail_call(self, call_id: int, error: bytes) -> None: ...


class ScriptRunner(Protocol):
    """The part of the sandbox that drives nothing: `sandbox.pool.Pool` is one."""

    def submit(
        self,
        invocation: Invocation,
        done: Callable[[Completion], None],
        on_call: Callable[[Any, int, str, list[Any]], None] | None = None,
    ) -> Script: ...


class Exchange(Protocol):
    """What a call needs of all calls together: `sidecar.calls.Calls` is one."""

    runner: ScriptRunner
    configuration: Configuration

    def places(self, offer: CallOffer, assignment: VoiceAssignment) -> Places:
        """Where the files of a call's customer are."""
        ...

    def over(self, call: "ScriptedCall", record: CallRecord) -> None:
        """A call is over."""
        ...


class _Queued(msgspec.Struct, frozen=True):
    call_id: int
    asked: Asked


class ScriptedCall:
    """One call and the script that drives it. A `CallObserver`."""

    def __init__(self, calls: Exchange, control: CallControl, assignment: VoiceAssignment) -> None:
        self._calls = calls
        self._control = control
        self._loop = asyncio.get_running_loop()
        self.assignment = assignment
        self._places = calls.places(control.offer, assignment)
        self._program = programs.voice_program(assignment.script, calls.configuration)
        self._notes = CallNotes(control.offer, time.time(), self._loop.time())
        self._script: Script | None = None
        self._completion: Completion | None = None
        self._queue: deque[_Queued] = deque()
        self._current: _Queued | None = None
        self._current_began = 0.0
        self._pending: PendingAction | None = None
        self._advancing = False
        self._recordings = 0
        """Begun and not finished."""
        self._hung_up: HungUp | None = None
        self._ending: HangupBy | None = None
        self._digits: deque[str] = deque(maxlen=HEARD_DIGITS)
        self._digits_wanted: int | None = None
        self._listening = False
        self._hangup_wanted: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    @property
    def offer(self) -> CallOffer:
        """What came in."""
        return self._control.offer

    def begin(self) -> None:
        """Start the script."""
        offer = self._control.offer
        host = offer.from_host
        given = {
            "call": {
                "id": offer.id,
                "headers": offer.headers,
                "variables": offer.variables,
                "known": {
                    "sip_from_user": offer.from_user,
                    "sip_from_display": offer.from_name,
                    "sip_from_host": host,
                    "sip_from_uri": f"{offer.from_user}@{host}" if host else offer.from_user,
                    "sip_to_user": offer.to_user,
                    "sip_to_host": offer.to_host,
                    "sip_call_id": offer.id,
                    "caller_id_number": offer.from_user,
                    "caller_id_name": offer.from_name,
                    "destination_number": offer.to_user,
                    "uuid": offer.id,
                },
            },
            "data": {
                "call_id": offer.id,
                "cli": offer.from_user,
                "cli_name": offer.from_name,
                "dest_number": offer.to_user,
                "source": offer.source,
                "customer": self.assignment.customer or offer.customer,
                "headers": [{"key": name, "value": value} for name, value in offer.headers],
            },
            "vars": dict(self.assignment.variables),
        }
        sandbox = self._calls.configuration.sandbox
        limits = Limits(
            wall_seconds=self._calls.configuration.voice.longest_call_seconds,
            turn_seconds=TURN_SECONDS,
            cpu_seconds=sandbox.cpu_ms / 1000,
            result_bytes=sandbox.result_bytes,
            log_bytes=sandbox.log_bytes,
            outbox_calls=2 * QUEUED_ACTIONS,
        )
        invocation = Invocation(
            program=self._program, input=msgspec.json.encode(given), limits=limits, correlation_id=offer.id
        )
        script = self._calls.runner.submit(invocation, self._script_done, self._host_call)
        if self._completion is None:
            self._script = script

    # ---- what the script asks ----

    def _host_call(self, script: Script, call_id: int, name: str, arguments: list[Any]) -> None:
        self._script = script
        if name == "perform":
            self._perform(call_id, arguments)
        elif name == "digits":
            self._want_digits(call_id, fresh=arguments[:1] == [True])
        elif name == "hangup":
            if self._hung_up is not None:
                self._tell_hangup(call_id, self._hung_up)
            else:
                self._hangup_wanted.append(call_id)
        elif name == "log":
            self._notes.write(str(arguments[0]) if arguments else "")
            script.settle(call_id, b"null")
        elif name == "warn":
            message = str(arguments[0]) if arguments else ""
            place = author_location(str(arguments[1])) if len(arguments) > 1 else None
            where = f"{self._program.name}:{place.line}:{place.column}" if place else self._program.name
            self._notes.warn(message, where, self._loop.time())
            script.settle(call_id, b"null")
        else:
            script.fail_call(call_id, _error(f"there is no host call {name}"))

    def _perform(self, call_id: int, arguments: list[Any]) -> None:
        kind, options = ([*arguments, None, None])[:2]
        if not isinstance(kind, str) or not isinstance(options, dict):
            self._reject(call_id, "an action needs a name and options")
            return
        if self._hung_up is not None or self._ending is not None:
            self._reject(call_id, "the call has ended", name="HangupError")
            return
        if len(self._queue) >= QUEUED_ACTIONS:
            self._reject(call_id, f"more than {QUEUED_ACTIONS} actions wait for the call")
            return
        if kind == "set":
            self._control.set_variable(str(options.get("key")), str(options.get("value")))
            self._settle(call_id, b"null")
            return
        try:
            asked = call_actions.read(kind, options, self._places)
        except ActionError as error:
            self._notes.warn(str(error), self._program.name, self._loop.time())
            self._reject(call_id, str(error))
            return
        self._queue.append(_Queued(call_id, asked))
        self._next()

    def _next(self) -> None:
        if self._advancing:
            # An action that was complete at once: the loop below goes on, however many of them there are.
            return
        self._advancing = True
        self._perform_queued()
        self._advancing = False
        if self._completion is not None and self._current is None and not self._queue:
            self._script_over()

    def _perform_queued(self) -> None:
        while self._current is None and self._queue and self._hung_up is None and self._ending is None:
            queued = self._current = self._queue.popleft()
            self._current_began = self._loop.time()
            action = queued.asked.action
            if isinstance(action, Bridge):
                action = structs.replace(action, timeout_seconds=self._calls.configuration.voice.bridge_seconds)
            if isinstance(action, Hangup):
                self._ending = HangupBy.SCRIPT
                self._set_timer(END_SECONDS, self._never_ended)
            pending = self._control.perform(action, functools.partial(self._completed, queued))
            if self._current is queued:
                self._pending = pending

    def _completed(self, queued: _Queued, result: ActionResult) -> None:
        if self._current is not queued:
            return
        self._current = self._pending = None
        asked = queued.asked
        self._notes.action(asked.text, self._current_began, self._loop.time(), _in_words(result))
        if isinstance(asked.action, Hangup) and isinstance(result, Failed) and self._hung_up is None:
            # The call is still up: whatever ends it later must not take it for ended.
            self._ending = None
            self._drop_timer()
        if isinstance(result, Done):
            self._done(queued, result.value)
        elif isinstance(result, Failed):
            self._reject(queued.call_id, result.message)
        else:
            self._reject(queued.call_id, "the call has ended", name="HangupError")
        self._next()

    def _done(self, queued: _Queued, value: Digits | Bridged | None) -> None:
        asked = queued.asked
        if isinstance(asked.action, Answer):
            self._notes.answered = self._notes.at(self._loop.time())
        if isinstance(asked.action, Record):
            self._recordings += 1
        if isinstance(value, Bridged) and asked.go_on is not None and not asked.go_on(value):
            self._end_after_bridge(value)
            self._settle(queued.call_id, msgspec.json.encode(call_actions.result(value)))
            return
        if isinstance(value, Digits) and value.status != "success" and asked.transfer_to:
            self._transfer(queued, value)
            return
        self._settle(queued.call_id, msgspec.json.encode(call_actions.result(value)))

    def _transfer(self, queued: _Queued, value: Digits) -> None:
        """Digits were not entered: the call goes elsewhere and the script is told what was."""
        try:
            asked = call_actions.read(
                "bridge", {"destinations": [queued.asked.transfer_to], "continueOn": False}, self._places
            )
        except ActionError as error:
            self._reject(queued.call_id, str(error))
            return
        self._queue.appendleft(_Queued(0, asked))
        self._settle(queued.call_id, msgspec.json.encode(call_actions.result(value)))

    def _end_after_bridge(self, value: Bridged) -> None:
        # As a switch without continue_on_fail does: the caller gets the other leg's own answer.
        if value.status == "completed":
            self.end(Hangup(cause=16), HangupBy.CALLEE if value.hangup_by == "callee" else HangupBy.CALLER)
        else:
            code = value.code or 480
            self.end(Hangup(code=code, reason=value.reason, cause=cause_of(code)), HangupBy.CALLEE)

    def _want_digits(self, call_id: int, *, fresh: bool) -> None:
        if self._hung_up is not None:
            self._reject(call_id, "the call has ended", name="HangupError")
            return
        if fresh:
            self._digits.clear()
        self._listening = True
        if self._digits_wanted is not None:
            self._settle(self._digits_wanted, b"[]")
        self._digits_wanted = call_id
        self._hand_digits()

    def _hand_digits(self) -> None:
        if self._digits_wanted is not None and self._digits:
            call_id, self._digits_wanted = self._digits_wanted, None
            digits = list(self._digits)
            self._digits.clear()
            self._settle(call_id, msgspec.json.encode(digits))

    # ---- what happens on the call ----

    def event(self, event: CallEvent) -> None:
        """Something happened on the call."""
        now = self._loop.time()
        if isinstance(event, DigitPressed):
            if self._listening:
                self._digits.append(event.digit)
                self._hand_digits()
        elif isinstance(event, LegEvent):
            self._notes.leg(event.destination, event.what, event.code, now)
            if event.what == "answered" and self._notes.answered is None:
                # Bridging a call answers it.
                self._notes.answered = self._notes.at(now)
        elif isinstance(event, RecordingFinished):
            self._recordings -= 1
            self._notes.recordings.append(event.name)
            if event.error:
                self._notes.warn(f"recording {event.name}: {event.error}", "", now)
            if self._completion is not None and self._hung_up is not None and self._recordings <= 0:
                self._close()
        elif isinstance(event, HungUp) and self._hung_up is None:
            self._call_ended(event)

    def end(self, hangup: Hangup, by: HangupBy) -> None:
        """End the call from outside its script's order."""
        if self._hung_up is not None or self._ending is not None:
            return
        self._ending = by
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.stop()
        self._set_timer(END_SECONDS, self._never_ended)
        self._control.perform(hangup, lambda _result: None)

    def _call_ended(self, hung_up: HungUp) -> None:
        if self._ending is not None and hung_up.by in (HangupBy.SCRIPT, HangupBy.SYSTEM):
            hung_up = structs.replace(hung_up, by=self._ending)
        self._hung_up = hung_up
        current, self._current, self._pending = self._current, None, None
        if current is not None:
            now = self._loop.time()
            if isinstance(current.asked.action, Hangup):
                self._notes.action(current.asked.text, self._current_began, now, "done")
                self._settle(current.call_id, b"null")
            else:
                self._notes.action(current.asked.text, self._current_began, now, "hung up")
                self._reject(current.call_id, "the call has ended", name="HangupError")
        while self._queue:
            self._reject(self._queue.popleft().call_id, "the call has ended", name="HangupError")
        if self._digits_wanted is not None:
            call_id, self._digits_wanted = self._digits_wanted, None
            self._reject(call_id, "the call has ended", name="HangupError")
        wanted, self._hangup_wanted = self._hangup_wanted, []
        for call_id in wanted:
            self._tell_hangup(call_id, hung_up)
        if self._completion is not None:
            self._all_over()
        else:
            # The script may finish its bookkeeping, within bounds.
            self._set_timer(self._calls.configuration.voice.grace_seconds, self._grace_over)

    def _grace_over(self) -> None:
        if self._completion is None and self._script is not None:
            self._script.cancel()

    def _never_ended(self) -> None:
        if self._hung_up is None:
            self._call_ended(HungUp(by=HangupBy.SYSTEM, cause=41, reason="the driver did not say that the call ended"))

    def _tell_hangup(self, call_id: int, hung_up: HungUp) -> None:
        self._settle(
            call_id,
            msgspec.json.encode(
                {"by": hung_up.by.value, "cause": hung_up.cause, "code": hung_up.code, "reason": hung_up.reason}
            ),
        )

    # ---- the end ----

    def _script_done(self, completion: Completion) -> None:
        self._completion = completion
        for line in completion.log:
            self._notes.write(f"console.{line.level}: {line.text}")
        if self._hung_up is not None:
            self._all_over()
        elif isinstance(completion.outcome, Returned) and (self._current is not None or self._queue):
            # Actions made without await: the script's end waits for them.
            return
        else:
            self._script_over()

    def _script_over(self) -> None:
        """The script has ended and the call is up: end it. A call left up would be billed."""
        if self._ending is None and self._completion is not None:
            ours = isinstance(self._completion.outcome, Crashed | Refused)
            self.end(self._last_word(self._completion), HangupBy.SYSTEM if ours else HangupBy.SCRIPT)

    def _last_word(self, completion: Completion) -> Hangup:
        outcome = completion.outcome
        if isinstance(outcome, Returned):
            code, reason = refusal(outcome)
            if code:
                return Hangup(code=code, reason=reason or reason_phrase(code), cause=cause_of(code))
            return Hangup(code=status_of(16), reason=reason_phrase(status_of(16)), cause=16)
        code = 503 if isinstance(outcome, Refused) else 500
        return Hangup(code=code, reason=reason_phrase(code), cause=41)

    def _all_over(self) -> None:
        """Call and script have ended: the record is closed once its recordings are on disk."""
        if self._recordings > 0:
            self._set_timer(RECORDING_SECONDS, self._close)
        else:
            self._close()

    def _close(self) -> None:
        if self._over:
            return
        completion, hung_up = self._completion, self._hung_up
        assert completion is not None  # noqa: S101 - both ends are in
        assert hung_up is not None  # noqa: S101
        self._over = True
        self._drop_timer()
        outcome, error, location = ending_of(completion)
        script = self.assignment.script
        record = self._notes.close(
            hung_up,
            self._loop.time(),
            script=script.id,
            script_version=script.version,
            outcome=outcome,
            error=error,
            error_location=location,
        )
        self._calls.over(self, record)

    def _drop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        self._drop_timer()
        self._timer = self._loop.call_later(seconds, then)

    def _settle(self, call_id: int, value: bytes) -> None:
        if call_id and self._script is not None:
            self._script.settle(call_id, value)

    def _reject(self, call_id: int, message: str, name: str = "Error") -> None:
        if call_id and self._script is not None:
            self._script.fail_call(call_id, _error(message, name))


def _error(message: str, name: str = "Error") -> bytes:
    return msgspec.json.encode({"message": message, "name": name})


def _in_words(result: ActionResult) -> str:
    if isinstance(result, Done):
        value = result.value
        if isinstance(value, Digits):
            return f"{value.status.value} {value.value}".strip()
        if isinstance(value, Bridged):
            return f"{value.status.value} {value.code or ''}".strip()
        return "done"
    if isinstance(result, Failed):
        return f"failed: {result.message}"
    return "hung up" if isinstance(result, HungUpDuring) else "stopped"
