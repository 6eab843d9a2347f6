"""One call and the script that drives it.

The script's run waits in memory between its awaits. Its actions are done strictly in the order in which they were asked
for, one at a time, whether the script awaits them or not; the call is ended when the script is over, whatever its end
was, and the script is told when the call is over, whoever ended it.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from msgspec import structs

from sandbox.host import HostCall
from sandbox.outcome import Completion, Returned
from sandbox.stack import author_location
from sidecar.calls import script_run
from sidecar.calls.action_queue import ActionQueue, Queued
from sidecar.calls.heard_digits import HeardDigits
from sidecar.calls.notes import CallNotes
from sidecar.calls.recording_name import ReservedRecording
from sidecar.calls.script_ending import failure_after, hangup_after, not_the_scripts_doing
from sidecar.calls.script_run import ScriptRun, reject_ended
from sidecar.calls.type_ahead import TypeAhead
from sidecar.catalog.model import Script, VoiceAssignment
from sidecar.configuration.tree import Configuration
from sidecar.hosts import call as call_host
from sidecar.hosts.call import RequestedAction, VariableChange
from sidecar.hosts.customer_folders import ActionError, CustomerFolders
from sidecar.hosts.grants import Grants
from sidecar.kind import RULES
from sidecar.operations.call_record import CallRecord
from sidecar.runs.failure import Failure, in_words
from sidecar.runs.kept_runs import KeptRun
from sidecar.runs.limits import QUEUED_ACTIONS
from sidecar.runs.outcomes import FAILURES, OutcomeName
from sidecar.runs.programs import Programs
from sidecar.runs.runner import ScriptRunner
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
    Record,
    RecordingFinished,
)

END_SECONDS: Final = 10.0
"""After this long without the driver's word that a call has ended, its record is closed without."""
RECORDING_SECONDS: Final = 2.0
"""A disk that takes longer to finish a recording is not waited for by the call's record."""


class AllCalls(Protocol):
    """What a call needs of all calls together: `sidecar.calls.calls.Calls` is one."""

    runner: ScriptRunner
    programs: Programs
    grants: Grants
    configuration: Configuration

    def folders(self, offer: CallOffer, assignment: VoiceAssignment) -> CustomerFolders:
        """Where the files of a call's customer are."""
        ...

    def wrote(self, call: "OneCall", level: str, text: str) -> None:
        """A call's script has written to its log or its console, or failed."""
        ...

    def over(self, call: "OneCall", record: CallRecord, run: KeptRun | None) -> None:
        """A call is over; with its script's run where that was recorded."""
        ...


class OneCall:
    """One call and the script that drives it. A `CallObserver`, and the `Host` of its script."""

    def __init__(self, calls: AllCalls, control: CallControl, assignment: VoiceAssignment, script: Script) -> None:
        self._calls = calls
        self._control = control
        self._loop = asyncio.get_running_loop()
        self.assignment = assignment
        self.script = script
        self._folders = partial(calls.folders, control.offer, assignment)
        self._script = ScriptRun(calls.programs.of(script))
        self._modules = calls.grants.host(script, control.offer.id)
        self._type_ahead = TypeAhead()
        self._queue = ActionQueue(control, self._type_ahead, self)
        self._digits = HeardDigits()
        customer = assignment.customer or control.offer.customer
        self._notes = CallNotes(control.offer, script.tenant, customer, time.time(), self._loop.time())
        self._recordings = 0
        """How many recordings have begun and are not finished."""
        self._recording: ReservedRecording | None = None
        """The one that is about to begin."""
        self._hung_up: HungUp | None = None
        self._ending: HangupBy | None = None
        self._hangup_wanted: list[HostCall] = []
        self._timer: asyncio.TimerHandle | None = None
        self._over = False
        self._failure: Failure | None = None
        """Why the script was given up, where its own end does not say."""

    @property
    def offer(self) -> CallOffer:
        """What came in."""
        return self._control.offer

    def lasted(self) -> tuple[bool, float]:
        """Whether it has been answered, and the seconds since."""
        answered = self._notes.answered
        return answered is not None, round(self._notes.at(self._loop.time()) - (answered or 0.0), 3)

    def begin(self) -> None:
        """Start the script."""
        program, configuration = self._script.program, self._calls.configuration
        run = script_run.invocation(program, RULES[self.script.kind].entry, self.offer, self.assignment, configuration)
        self._script.begin(self._calls.runner, run, self._script_done, self)

    # ---- what the script asks ----

    def asked(self, call: HostCall) -> None:
        """The script asks for something."""
        arguments = call.arguments
        if call.name == "perform":
            self._perform(call)
        elif call.name == "digits":
            if self._hung_up is not None:
                reject_ended(call)
            elif self._digits.want(call, fresh=arguments[:1] == [True]):
                # A key is heard once: what a waitFor has is not for the next ivr.
                self._type_ahead.forget()
        elif call.name == "hangup":
            if self._hung_up is not None:
                _tell_hangup(call, self._hung_up)
            else:
                self._hangup_wanted.append(call)
        elif call.name == "log":
            text = str(arguments[0]) if arguments else ""
            self._notes.write(text)
            self._calls.wrote(self, "log", text)
            call.resolve()
        elif call.name == "warn":
            message, stack = ([*map(str, arguments), "", ""])[:2]
            self._notes.warn(message, self._place(stack), self._loop.time())
            call.resolve()
        elif call.name == "exceeded":
            self._exceeded(str(arguments[0]), str(arguments[1]))
        else:
            self._modules.asked(call)

    def ended(self) -> None:
        """Its script is over, and hears nothing more. Actions that it made without await are done all the same."""
        self._hangup_wanted.clear()
        self._modules.ended()

    def _place(self, stack: str) -> str:
        """The place in the author's file as ``file:line:column``, or the file alone where the stack has none of it."""
        program = self._script.program
        place = author_location(stack, program.name, program.files)
        return place.said_of(program.name) if place else program.name

    def _exceeded(self, what: str, stack: str) -> None:
        """The script has asked for more than one call may have."""
        most = self._calls.configuration.voice.call_actions
        message = f"more than {most} actions, log lines and waits on one call (voice.call_actions), these {what}"
        self._failure = Failure(OutcomeName.SCRIPT_ERROR, message, self._place(stack))
        self._script.cancel()

    def _perform(self, call: HostCall) -> None:
        kind, options, stack = ([*call.arguments, None, None, None])[:3]
        if not isinstance(kind, str) or not isinstance(options, dict):
            call.reject("an action needs a name and options")
            return
        if self._hung_up is not None or self._ending is not None:
            reject_ended(call)
            return
        try:
            asked = call_host.parse(kind, options, self._folders)
        except ActionError as error:
            self._notes.warn(str(error), self._place(str(stack)), self._loop.time())
            call.reject(str(error), name="TypeError")
            return
        if isinstance(asked, VariableChange):
            self._control.set_variable(asked.name, asked.value)
            call.resolve()
        elif not self._queue.add(Queued(call, self._timed(asked))):
            call.reject(f"more than {QUEUED_ACTIONS} actions wait for the call")

    def _timed(self, asked: RequestedAction) -> RequestedAction:
        """The action with the time that the operator gives a bridge, be it one that only follows from it."""
        seconds = self._calls.configuration.voice.bridge_seconds
        if isinstance(asked.action, Bridge):
            return structs.replace(asked, action=structs.replace(asked.action, timeout_seconds=seconds))
        if asked.transfer_to is not None:
            return structs.replace(asked, transfer_to=self._timed(asked.transfer_to))
        return asked

    # ---- what its queue tells ----

    def hanging_up(self) -> None:
        """The script ends the call."""
        self._ending = HangupBy.SCRIPT
        self._set_timer(END_SECONDS, self._never_ended)

    def recording(self, action: Record) -> Record:
        """Give the recording that is to be performed the file that it is written to."""
        self._recording = ReservedRecording(action, driver=self.offer.driver)
        return self._recording.action

    def performed(self, queued: Queued, began: float, result: ActionResult) -> None:
        """An action is complete."""
        asked = queued.asked
        recording, self._recording = self._recording, None
        if recording is not None and not isinstance(result, Done):
            recording.release()
        taken = recording.action.name if recording is not None and recording.action != asked.action else ""
        self._notes.action(asked.text, began, self._loop.time(), result, _headers_of(asked), taken)
        if isinstance(asked.action, Hangup) and isinstance(result, Failed) and self._hung_up is None:
            # The call is still up: whatever ends it later must not take it for ended.
            self._ending = None
            self._queue.held = False
            self._drop_timer()
        if isinstance(result, Done):
            self._done(queued, recording.file if recording is not None else result.value)
        elif not isinstance(result, Failed):
            reject_ended(queued.call)
        elif queued.call is not None:
            queued.call.reject(result.message)
        if not self._over and self._script.completion is not None and self._queue.idle:
            # A script that has ended had waited for its last action.
            self._script_over()

    def _done(self, queued: Queued, value: Digits | Bridged | str | None) -> None:
        asked = queued.asked
        if isinstance(asked.action, Answer):
            self._notes.answered = self._notes.at(self._loop.time())
        if isinstance(asked.action, Record):
            self._recordings += 1
        if isinstance(value, Bridged) and asked.go_on is not None and not asked.go_on(value):
            # As a switch without continue_on_fail does: the caller gets the other leg's own answer.
            self.end(*call_host.end_of_bridge(value))
        elif isinstance(value, Digits) and value.status != "success" and asked.transfer_to is not None:
            # Digits were not entered: the call goes elsewhere and the script is told what was.
            self._queue.add_first(Queued(None, asked.transfer_to))
        if queued.call is not None:
            queued.call.resolve(call_host.result(value))

    # ---- what happens on the call ----

    def event(self, event: CallEvent) -> None:
        """Something happened on the call."""
        if self._over:
            # A recording that a slow disk finished after the record.
            return
        now = self._loop.time()
        if isinstance(event, DigitPressed):
            if not self._digits.heard(event.digit):
                self._type_ahead.pressed(event.digit, self._queue.current)
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
            if self._script.completion is not None and self._hung_up is not None and self._recordings <= 0:
                self._close()
        elif isinstance(event, HungUp) and self._hung_up is None:
            self._call_ended(event)

    def end(self, hangup: Hangup, by: HangupBy) -> None:
        """End the call from outside its script's order."""
        if self._hung_up is not None or self._ending is not None:
            return
        self._ending = by
        self._queue.stop()
        self._set_timer(END_SECONDS, self._never_ended)
        self._control.perform(hangup, lambda _result: None)

    def _call_ended(self, hung_up: HungUp) -> None:
        if self._ending is not None and hung_up.by in (HangupBy.SCRIPT, HangupBy.SYSTEM):
            hung_up = structs.replace(hung_up, by=self._ending)
        self._hung_up = hung_up
        current, began, waiting = self._queue.drop()
        if self._recording is not None:
            self._recording.release()
            self._recording = None
        if current is not None:
            done = isinstance(current.asked.action, Hangup)
            ended = Done() if done else HungUpDuring()
            self._notes.action(current.asked.text, began, self._loop.time(), ended, _headers_of(current.asked))
            if not done:
                reject_ended(current.call)
            elif current.call is not None:
                current.call.resolve()
        for queued in waiting:
            reject_ended(queued.call)
        self._digits.call_ended()
        wanted, self._hangup_wanted = self._hangup_wanted, []
        for call in wanted:
            _tell_hangup(call, hung_up)
        if self._script.completion is not None:
            self._all_over()
        else:
            # The script may finish its bookkeeping, within bounds.
            self._set_timer(self._calls.configuration.voice.grace_seconds, self._script.cancel_between_turns)

    def _never_ended(self) -> None:
        if self._hung_up is None:
            self._call_ended(HungUp(by=HangupBy.SYSTEM, cause=41, reason="the driver did not say that the call ended"))

    # ---- the end ----

    def _script_done(self, completion: Completion) -> None:
        used = self._calls.grants.used(self.script)
        used.allowance.ended()
        used.run(completion.busy_micros)
        for line in completion.log:
            self._notes.write(f"console.{line.level}: {line.text}")
            self._calls.wrote(self, line.level, line.text)
        if self._hung_up is not None:
            self._all_over()
        elif not isinstance(completion.outcome, Returned) or self._queue.idle:
            self._script_over()
        # Else there are actions made without await: the script's end waits for them.

    def _script_over(self) -> None:
        """The script has ended and the call is up: end it. A call left up would be billed."""
        completion = self._script.completion
        if self._ending is None and completion is not None:
            self.end(
                hangup_after(completion), HangupBy.SYSTEM if not_the_scripts_doing(completion) else HangupBy.SCRIPT
            )

    def _all_over(self) -> None:
        """Call and script have ended: the record is closed once its recordings are on disk."""
        if self._recordings > 0:
            self._set_timer(RECORDING_SECONDS, self._close)
        else:
            self._close()

    def _close(self) -> None:
        if self._over:
            return
        completion, hung_up = self._script.completion, self._hung_up
        assert completion is not None  # noqa: S101 - both ends are in
        assert hung_up is not None  # noqa: S101
        self._over = True
        self._drop_timer()
        failure = self._failure or failure_after(completion, self._script.program)
        if failure.outcome in FAILURES:
            self._calls.wrote(self, "failed", in_words(failure))
        script = self.script
        record = self._notes.close(
            hung_up,
            self._loop.time(),
            script=script.id,
            script_version=script.version,
            outcome=failure.outcome,
            error=failure.message,
            error_location=failure.location,
        )
        self._calls.over(self, record, self._script.kept_run)
        # Whoever carries the call knows this, and the queue does: what they hold is freed at once, and not by the
        # collector, which comes late to what has lived as long as a call.
        del self._control, self._queue

    def _drop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        self._drop_timer()
        self._timer = self._loop.call_later(seconds, then)


def _headers_of(asked: RequestedAction) -> list[tuple[str, str]]:
    """The headers that go out with an action."""
    action = asked.action
    return action.headers if isinstance(action, Answer | Bridge | Hangup) else []


def _tell_hangup(call: HostCall, hung_up: HungUp) -> None:
    call.resolve({"by": hung_up.by.value, "cause": hung_up.cause, "code": hung_up.code, "reason": hung_up.reason})
