"""Bridge: one destination after the other, and what became of the other leg."""

import math
from collections.abc import Callable
from typing import Final

import msgspec

from sipio.call_control import (
    ActionResult,
    Bridge,
    Bridged,
    BridgeStatus,
    Done,
    LegEvent,
    Stopped,
)
from sipio.causes import bridge_status, cause_of, status_of
from sipio.freeswitch.commands import UnsafeText
from sipio.freeswitch.dial import DialError, dial_string
from sipio.freeswitch.event_socket import Event
from sipio.freeswitch.leg import KillLeg, Leg, LegAction
from sipio.freeswitch.playing import Sound
from sipio.freeswitch.timers import CallTimer
from sipio.reasons import reason_phrase

_OUTCOMES: Final = (
    "originate_disposition",
    "sip_invite_failure_status",
    "sip_invite_failure_phrase",
    "last_bridge_hangup_cause",
    "last_bridge_proto_specific_hangup_cause",
    "last_bridge_to",
)
"""Variables that a bridge leaves on the caller's leg. They stay from one bridge to the next, so they are unset before
each: what a completion then carries is of this bridge."""

RINGING_TONE: Final = "%(1000,4000,425)"
"""Milliseconds on, milliseconds off, Hz: what a caller hears where neither script nor dialplan say."""
_NO_ANSWER: Final = frozenset(
    {"NO_ANSWER", "NO_USER_RESPONSE", "ALLOTTED_TIMEOUT", "RECOVERY_ON_TIMER_EXPIRE", "PROGRESS_TIMEOUT"}
)
_UNKNOWN: Final = frozenset({"SUBSCRIBER_ABSENT", "USER_NOT_REGISTERED", "INVALID_GATEWAY", "INVALID_PROFILE"})
"""Dispositions of a user or a gateway that FreeSWITCH does not have: nothing was called, so there is no SIP status."""
_OF_NEITHER_PARTY: Final = frozenset(
    {"MEDIA_TIMEOUT", "RECOVERY_ON_TIMER_EXPIRE", "ALLOTTED_TIMEOUT", "MANAGER_REQUEST", "SYSTEM_SHUTDOWN"}
)
"""Causes that FreeSWITCH itself ends an answered leg with."""
_OWN_END_SECONDS: Final = 0.2
"""How long a leg's own end is waited for, which is under way already; a destination without a leg has none."""
_UNDIALLED: Final = 404
"""The status that every driver gives what is no destination."""


class Bridging(LegAction):
    """Carries out a `Bridge`. The caller's leg stays up whatever becomes of it."""

    def __init__(self, leg: Leg, action: Bridge, done: Callable[[ActionResult], None]) -> None:
        super().__init__(leg, done)
        self._action = action
        self._left = list(action.destinations)
        self._destination = ""
        self._b_uuid = ""
        self._ringing = False
        self._answered: _Moment | None = None
        """When the B leg was connected; None while it is not."""
        self._refusal: _Refusal | None = None
        """What the B leg's own end said; None before its end."""
        self._unexplained: Callable[[], None] | None = None
        """Goes on with a completion that has to wait for the B leg's own end."""
        self._result = Bridged(status=BridgeStatus.FAILED, reason="no destination")
        self._set: list[str] = []
        self._sound: Sound | None = None
        self._ringback: list[str] = []
        self._stopping = False
        self._kill: KillLeg | None = None
        self._timer: CallTimer | None = None

    def start(self) -> None:
        exported = [name for name in self.leg.variables.get("export_vars", "").split(",") if name]
        for name, value in self._action.headers:
            if "${" in value:
                # FreeSWITCH would leave it out without a word (switch_channel.c: "contains a variable").
                raise UnsafeText(f"FreeSWITCH cannot send ${{ in a header: {name}")
            variable = f"sip_h_{name}"
            self._variable(variable, value)
            exported.append(variable)
        if self._action.headers:
            # Nothing else of the caller's headers goes to the B leg: see sip_copy_custom_headers in call.py.
            self._variable("export_vars", ",".join(dict.fromkeys(exported)))
        if self._action.cli:
            self._variable("effective_caller_id_number", self._action.cli)
        self._prepare_ringback(0)

    def stop(self) -> None:
        """An unanswered B leg gets a CANCEL, an answered one a BYE."""
        if self.over:
            return
        self._stopping = True
        self._left.clear()
        self._tell_end(487)
        if self._kill is not None:
            self._kill.start()
        self._clear()
        self.finish(Stopped())

    def hung_up(self) -> None:
        if self.over:
            return
        # Where its completion is lost with the call, the other leg is known to have ended with it.
        self._tell_end(487)
        super().hung_up()

    def release(self) -> None:
        if self._sound is not None:
            self._sound.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def leg_event(self, event: Event) -> bool:
        """Take an event if it is of the B leg."""
        if not self._b_uuid or event.get("Unique-ID") != self._b_uuid:
            return False
        name = event.name
        if name in {"CHANNEL_PROGRESS", "CHANNEL_PROGRESS_MEDIA"} and not self._ringing:
            self._ringing = True
            self.leg.tell(LegEvent(destination=self._destination, what="ringing"))
        elif name == "CHANNEL_ANSWER" and self._answered is None:
            self._answered = self._moment(event)
            self._cancel_timer()
            self.leg.tell(LegEvent(destination=self._destination, what="answered", code=200))
        elif name == "CHANNEL_HANGUP":
            self._refusal = _refusal_in(event, "proto_specific_hangup_cause")
            if self._unexplained is not None:
                self._unexplained()
        return True

    # ---- before ----

    def _variable(self, name: str, value: str) -> None:
        self.leg.channel.set_variable(name, value)
        self._set.append(name)

    def _prepare_ringback(self, index: int) -> None:
        if index >= len(self._action.ringback):
            self._use_ringback()
            self._next()
            return

        def ready(_application: str, argument: str) -> None:
            if _application == "playback":
                self._ringback.append(argument)
            self._prepare_ringback(index + 1)

        def failed(_problem: str) -> None:
            # A call without its music is better than no call.
            self._prepare_ringback(index + 1)

        self._sound = Sound(self.leg, self._action.ringback[index])
        self._sound.prepare(ready, failed)

    def _use_ringback(self) -> None:
        self._sound = None
        if not self._ringback:
            if "transfer_ringback" not in self.leg.variables:
                # For a caller who was answered before, and would hear nothing. Others get the 180.
                self._variable("transfer_ringback", RINGING_TONE)
            return
        files = self._ringback
        argument = files[0] if len(files) == 1 else "file_string://" + "!".join(files)
        self._variable("ringback", argument)
        self._variable("transfer_ringback", argument)
        self._variable("instant_ringback", "true")
        self._variable("ignore_early_media", "true")

    # ---- one destination after the other ----

    def _next(self) -> None:
        while self._left and not self.leg.gone and not self._stopping:
            self._destination = self._left.pop(0)
            try:
                dial = dial_string(self._destination, self.leg.environment.settings)
            except DialError as error:
                self._result = Bridged(
                    status=BridgeStatus.FAILED, destination=self._destination, code=_UNDIALLED, reason=str(error)
                )
                self.leg.tell(LegEvent(destination=self._destination, what="ended", code=_UNDIALLED))
                continue
            self._dial(dial)
            return
        self._ended(self._result)

    def _dial(self, dial: str) -> None:
        channel = self.leg.channel
        self._b_uuid = b_uuid = self.leg.environment.new_uuid()
        self._kill = KillLeg(self.leg, b_uuid)
        self._ringing = False
        self._answered = None
        self._refusal = None
        channel.send(f"filter Unique-ID {b_uuid}\n\n".encode())
        for name in _OUTCOMES:
            channel.set_variable(name, "")
        seconds = self._action.timeout_seconds
        # FreeSWITCH counts whole seconds of the clock, so that its limit comes up to one second early: measured, a
        # limit of 2 s ended a call after 1.15 s. So the timer here is the limit, and FreeSWITCH's one stands behind it.
        self._timer = self.leg.timers.after(seconds, self._no_answer)
        variables = {
            "origination_uuid": b_uuid,
            "originate_timeout": str(math.ceil(seconds) + 2),
            # Else a callee who answers 302 has FreeSWITCH call any number at the caller's cost, or transfers the
            # caller into the dialplan.
            "outbound_redirect_fatal": "true",
        }
        argument = f"{{{','.join(f'{name}={value}' for name, value in variables.items())}}}{dial}"
        self.leg.foreground.start("bridge", argument, lambda event: self._completed(b_uuid, event))

    def _no_answer(self) -> None:
        # Said once: a leg that is not there is one of a user's phones of which another has answered.
        self.leg.channel.api(f"uuid_kill {self._b_uuid} NO_ANSWER")

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _completed(self, b_uuid: str, event: Event) -> None:
        if self._refusal is None and not self.over and not self.leg.gone and _is_unexplained(event):
            self._cancel_timer()
            self._unexplained = lambda: self._over(b_uuid, event)
            self._timer = self.leg.timers.after(_OWN_END_SECONDS, self._unexplained)
        else:
            self._over(b_uuid, event)

    def _over(self, b_uuid: str, event: Event) -> None:
        self._unexplained = None
        self.leg.channel.send(f"filter delete Unique-ID {b_uuid}\n\n".encode())
        self._cancel_timer()
        if self._kill is not None:
            self._kill.gone = True
        if self.over:
            return
        if self.leg.gone:
            # Its own status is lost with the call, whose own end follows.
            self._tell_end(487)
            return
        self._result = self._read(event, b_uuid)
        self._tell_end(self._result.code)
        if self._answered is not None:
            self._ended(self._result)
        else:
            self._next()

    def _tell_end(self, code: int) -> None:
        """Tell the end of the other leg, if there is one; ``code`` is its status where it was not answered."""
        if self._b_uuid:
            self._b_uuid = ""
            status = code if self._answered is None else 0
            self.leg.tell(LegEvent(destination=self._destination, what="ended", code=status))

    def _read(self, event: Event, b_uuid: str) -> Bridged:
        disposition = event.variable("originate_disposition")
        successful = disposition == "SUCCESS"
        if successful and self._answered is None and event.variable("last_bridge_to") not in {"", b_uuid}:
            # A user with several phones: it was not the first one that answered, and only of that we are told.
            self._answered = self._moment(event)
        if self._answered is not None:
            return Bridged(
                status=BridgeStatus.COMPLETED,
                destination=self._destination,
                code=200,
                reason=(reason := event.variable("last_bridge_hangup_cause")),
                seconds=self._moment(event).since(self._answered),
                hangup_by="system" if reason in _OF_NEITHER_PARTY else "callee",
            )
        if successful:
            # Early media is a bridge as well, though nobody has answered.
            disposition = event.variable("last_bridge_hangup_cause")
        refusal = _refusal_in(event, "last_bridge_proto_specific_hangup_cause")
        if not refusal.code and self._refusal is not None:
            refusal = self._refusal
        code = refusal.code or code_of(disposition)
        return Bridged(
            status=bridge_status(code),
            destination=self._destination,
            code=code,
            reason=refusal.phrase or (reason_phrase(code) if code else disposition),
        )

    def _moment(self, event: Event) -> "_Moment":
        return _Moment(self.leg.environment.clock(), _timestamp(event))

    # ---- the end ----

    def _clear(self) -> None:
        self.release()
        for name in self._set:
            self.leg.channel.set_variable(name, self.leg.variables.get(name, ""))
        self._set.clear()

    def _ended(self, result: Bridged) -> None:
        self._clear()
        self.finish(Done(result))


class _Moment(msgspec.Struct, frozen=True):
    """When something happened."""

    here: float
    """By our own clock, as we heard of it."""
    there: float | None
    """By FreeSWITCH's, which counts from another time than ours; None where its event does not say."""

    def since(self, earlier: "_Moment") -> float:
        """Seconds between the two, by FreeSWITCH's clock where that is known of both."""
        if self.there is not None and earlier.there is not None:
            return max(0.0, self.there - earlier.there)
        return self.here - earlier.here


def _timestamp(event: Event) -> float | None:
    text = event.headers.get("Event-Date-Timestamp", "")
    return int(text) / 1e6 if text.isascii() and text.isdecimal() and len(text) <= 20 else None


class _Refusal(msgspec.Struct, frozen=True):
    """What the other leg has refused with; a code of 0 where it has not."""

    code: int = 0
    phrase: str = ""


def _is_unexplained(event: Event) -> bool:
    """Whether a completion may be of a leg that was refused, and does not say with what.

    FreeSWITCH ends the bridge as soon as the other leg is hanging up, and only then gives the caller's leg the status
    of a redirection (switch_channel.c, switch_channel_perform_hangup: the state, then the partner's variables, then
    the event): seen with one 302 in five.
    """
    unavailable = event.variable("originate_disposition") == "REQUESTED_CHAN_UNAVAIL"
    return unavailable and not _refusal_in(event, "last_bridge_proto_specific_hangup_cause").code


def _refusal_in(event: Event, cause: str) -> _Refusal:
    """What an event says of a refusal. Of a redirection only the variable named ``cause`` says it."""
    return _Refusal(
        _code(event.variable("sip_invite_failure_status")) or _code(event.variable(cause).removeprefix("sip:")),
        event.variable("sip_invite_failure_phrase"),
    )


def code_of(disposition: str) -> int:
    """The status that a disposition of FreeSWITCH's without one stands for; 0 for none."""
    if disposition in _UNKNOWN:
        return _UNDIALLED
    if disposition in _NO_ANSWER:
        return 408
    cause = cause_of(disposition)
    return status_of(cause) if cause else 0


def _code(text: str) -> int:
    """Read the status of a refusal; 0 for anything else."""
    return int(text) if len(text) == 3 and text.isascii() and text.isdecimal() and text >= "300" else 0
