"""One Class 5 call over its connection: a `CallControl`. Sans-IO."""

from collections.abc import Callable, Mapping
from typing import Final, assert_never

from sipio.call_control import (
    ActionResult,
    Answer,
    BlockDtmf,
    Bridge,
    CallAction,
    CallEvent,
    CallObserver,
    CallOffer,
    Collect,
    DigitPressed,
    Done,
    Echo,
    Failed,
    Hangup,
    HangupBy,
    HungUp,
    HungUpDuring,
    PendingAction,
    Play,
    Record,
    RecordingFinished,
)
from sipio.errors import LocalError
from sipio.freeswitch import commands
from sipio.freeswitch.bridging import Bridging
from sipio.freeswitch.channel import Channel, Foreground
from sipio.freeswitch.ending import HangingUp, hung_up_of
from sipio.freeswitch.event_socket import Event
from sipio.freeswitch.leg import Environment, LegAction
from sipio.freeswitch.offer import Arrival
from sipio.freeswitch.playing import Collecting, Echoing, Playing
from sipio.freeswitch.recording import Recording, Recordings
from sipio.freeswitch.timers import CallTimers

ACTIONS: Final = 200
"""Actions that may be under way at once on one call: one is heard, one ends the call, the others record."""
_SAMPLES_A_MILLISECOND: Final = 8
"""DTMF-Duration is in samples of 8 kHz."""
_EVENTS: Final = (
    "CHANNEL_ANSWER CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_EXECUTE_COMPLETE CHANNEL_HANGUP "
    "CHANNEL_HANGUP_COMPLETE DTMF RECORD_START RECORD_STOP"
)
_SCRIPTS_OWN: Final = "script_"
"""Before the names of the variables that a script sets."""
_SETTINGS: Final = {
    # Else a star ends every playback.
    "playback_terminators": "none",
    # Else a B leg that fails, or hangs up, ends the call: whether it goes on is the script's business.
    "continue_on_fail": "true",
    "hangup_after_bridge": "false",
    # Else the caller's X- headers go to the B leg, and a B leg's refusal puts its own into ours.
    "sip_copy_custom_headers": "false",
}


class Nothing:
    """The action of a call that has ended. A `PendingAction`."""

    def stop(self) -> None:
        """The call has ended, so nothing is under way that could be stopped."""


class FreeswitchCall:
    """Drives a channel. A `CallControl`, and the `Leg` of its actions."""

    def __init__(self, environment: Environment, channel: Channel, arrival: Arrival, timers: CallTimers) -> None:
        self.environment = environment
        self.channel = channel
        self.foreground = Foreground(channel)
        self.timers = timers
        self.variables: Mapping[str, str] = arrival.variables
        self.gone = False
        self.recordings = Recordings(self)
        self._offer = arrival.offer
        self._observer: CallObserver | None = None
        self._ended = False
        self._answered = arrival.answered
        self._actions: list[LegAction] = []
        self._media: LegAction | None = None
        self._hangup: HangingUp | None = None
        self._blocked: frozenset[str] = frozenset()
        self._blocks_all = False

    @property
    def offer(self) -> CallOffer:
        return self._offer

    @property
    def ended(self) -> bool:
        """Whether HungUp has been told."""
        return self._ended

    @property
    def finished(self) -> bool:
        """Whether nothing more can be told: ended, and every recording complete. Not to be asked once it is `lost`."""
        return self._ended and not self.recordings.open

    def prepare(self) -> None:
        """Say what is wanted of FreeSWITCH, before anything else is."""
        channel = self.channel
        # Without linger the hang-up's events can be lost entirely.
        channel.send(commands.LINGER)
        # The filter first: without it this would be the events of every call.
        channel.send(commands.line(f"filter Unique-ID {channel.uuid}"))
        # Not myevents: it leaves out recordings and everything of a B leg.
        channel.send(commands.line(f"event plain {_EVENTS}"))
        for name, value in _SETTINGS.items():
            channel.set_variable(name, value)

    def observe(self, observer: CallObserver) -> None:
        """Have an observer told the call's events."""
        self._observer = observer

    # ---- CallControl ----

    def perform(self, action: CallAction, done: Callable[[ActionResult], None]) -> PendingAction:
        """Begin an action; see `sipio.call_control.CallControl`."""
        if self._ended or self.gone or not self.channel.open:
            done(HungUpDuring())
            return Nothing()
        self._actions = [one for one in self._actions if not one.over]
        if len(self._actions) >= ACTIONS:
            done(Failed(f"more than {ACTIONS} actions at once on one call"))
            return Nothing()
        started: LegAction | None = None
        try:
            started = self._make(action, done)
            self._actions.append(started)
            if isinstance(action, Play | Echo | Collect):
                replaced, self._media = self._media, started
                if replaced is not None:
                    replaced.stop()
            started.start()
        except LocalError as error:
            if started is None:
                done(Failed(str(error)))
                return Nothing()
            started.release()
            started.finish(Failed(str(error)))
        return started

    def set_variable(self, name: str, value: str) -> None:
        """Set the channel variable ``script_NAME``. A name or value that cannot be one is not set.

        None of FreeSWITCH's own: some have it run programs (``api_hangup_hook=system ...``), no list has all of those
        that change what others mean, and who writes scripts may be hostile.
        """
        if self._ended or self.gone:
            return
        try:
            if "${" in value:
                # Whoever writes it out, such as a template of CDRs, would have it expanded.
                raise commands.UnsafeText(f"${{ in the variable {name}")
            self.channel.set_variable(f"{_SCRIPTS_OWN}{name}", value)
        except LocalError as error:
            self.environment.problem(self.channel.uuid, str(error))

    def _make(self, action: CallAction, done: Callable[[ActionResult], None]) -> LegAction:
        made: LegAction
        match action:
            case Answer():
                made = Answering(self, action, done)
            case Play():
                made = Playing(self, action, done)
            case Echo():
                made = Echoing(self, action, done)
            case Collect():
                made = Collecting(self, action, done)
            case Bridge():
                made = Bridging(self, action, done)
            case Hangup():
                made = HangingUp(self, action, done, answered=self._answered)
                if self._hangup is None:
                    self._hangup = made
            case Record():
                made = Recording(self, action, done)
            case BlockDtmf():
                made = Blocking(self, action, done)
            case _:
                assert_never(action)
        return made

    # ---- Leg ----

    def tell(self, event: CallEvent) -> None:
        """Tell an event to the observer; after the end, only that a recording is complete."""
        if self._observer is not None and (not self._ended or isinstance(event, RecordingFinished)):
            self._observer.event(event)

    def block(self, digits: str) -> None:
        """Report these digits no more; empty for all."""
        if digits:
            self._blocked |= frozenset(digits)
        else:
            self._blocks_all = True

    def hang_up_now(self, reason: str) -> None:
        """End the call here, since FreeSWITCH does not confirm a hang-up."""
        self._end(HungUp(by=HangupBy.SYSTEM, cause=41, reason=reason))

    # ---- what FreeSWITCH says ----

    def event(self, event: Event) -> None:
        """Take an event of the caller's leg or of a bridge's other one."""
        name = event.name
        if name == "CHANNEL_EXECUTE_COMPLETE":
            self.channel.completed(event)
            return
        if event.get("Unique-ID") != self.channel.uuid:
            for action in self._actions:
                if isinstance(action, Bridging) and action.leg_event(event):
                    return
            return
        if name == "DTMF":
            self._digit(event)
        elif name == "CHANNEL_ANSWER":
            self._answered = True
        elif name == "RECORD_START":
            self.recordings.begun(event)
        elif name == "RECORD_STOP":
            self.recordings.stopped(event)
        elif name == "CHANNEL_HANGUP":
            self._going()
        elif name == "CHANNEL_HANGUP_COMPLETE":
            self._going()
            asked = self._hangup
            self._end(hung_up_of(event, asked.action if asked is not None else None, self.variables))

    def disconnecting(self) -> None:
        """Take the disconnect notice: the channel is gone; the hang-up's events may already be in, or follow."""
        self._going()
        if not self._ended:
            self.timers.after(self.environment.settings.linger_seconds, self._hangup_unseen)
        else:
            self._await_recordings()

    def lost(self, reason: str) -> None:
        """End the call with its connection, since FreeSWITCH ends it, or has."""
        self.channel.close()
        if self.gone:
            self._hangup_unseen()
        else:
            self._end(HungUp(by=HangupBy.SYSTEM, cause=41, reason=reason))
        self.recordings.abandon(reason)
        self.timers.close()
        # What is left knows its call: it is freed when it is let go, and not by the collector, which comes late.
        self.foreground.abandon()
        self._observer = self._hangup = None
        del self.recordings

    def _digit(self, event: Event) -> None:
        digit = event.get("DTMF-Digit")
        if not digit or self._blocks_all or digit in self._blocked or self._ended:
            return
        duration = event.get("DTMF-Duration")
        samples = int(duration) if duration.isascii() and duration.isdecimal() else 0
        self.tell(DigitPressed(digit=digit, duration_ms=samples // _SAMPLES_A_MILLISECOND))
        if isinstance(self._media, Collecting):
            self._media.digit(digit)

    def _going(self) -> None:
        if self.gone:
            return
        self.gone = True
        for action in list(self._actions):
            if isinstance(action, HangingUp):
                action.confirmed()

    def _hangup_unseen(self) -> None:
        if self._ended:
            return
        asked = self._hangup
        if asked is not None:
            action = asked.action
            self._end(HungUp(by=HangupBy.SCRIPT, code=action.code, cause=action.cause, reason=action.reason))
        else:
            self._end(HungUp(by=HangupBy.SYSTEM, cause=16, reason="the hang-up's own event was lost"))

    def _end(self, hung_up: HungUp) -> None:
        if self._ended:
            return
        self.gone = True
        actions, self._actions = self._actions, []
        for action in actions:
            action.hung_up()
        self._media = None
        self.tell(hung_up)
        self._ended = True
        self._await_recordings()

    def _await_recordings(self) -> None:
        if self.recordings.open and self.channel.open:
            self.timers.after(
                self.environment.settings.linger_seconds,
                lambda: self.recordings.abandon("FreeSWITCH did not say that it was finished"),
            )


class Answering(LegAction):
    """Carries out an `Answer`."""

    def __init__(self, leg: FreeswitchCall, action: Answer, done: Callable[[ActionResult], None]) -> None:
        super().__init__(leg, done)
        self._action = action

    def start(self) -> None:
        for name, value in self._action.headers:
            self.leg.channel.set_variable(f"sip_rh_{name}", value)
        self.leg.channel.execute("answer", "", self._completed)

    def _completed(self, event: Event) -> None:
        # FreeSWITCH does not tell the ACK; without one it hangs up by itself (RFC 3261 13.3.1.4).
        if event.get("Answer-State") == "answered":
            self.finish(Done())
        elif not self.leg.gone:
            self.finish(Failed("FreeSWITCH could not answer the call"))


class Blocking(LegAction):
    """Carries out a `BlockDtmf`. FreeSWITCH blocks all digits or none, so single ones are only kept from the script."""

    def __init__(self, leg: FreeswitchCall, action: BlockDtmf, done: Callable[[ActionResult], None]) -> None:
        super().__init__(leg, done)
        self._call = leg
        self._action = action

    def start(self) -> None:
        digits = self._action.digits
        self._call.block(digits)
        if digits:
            self.finish(Done())
        else:
            self.leg.channel.execute("block_dtmf", "", lambda _event: self.finish(Done()))
