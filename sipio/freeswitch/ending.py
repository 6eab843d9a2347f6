"""The end of a call: asked for by a script, or told by FreeSWITCH."""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from sipio.call_control import ActionResult, Done, Hangup, HangupBy, HungUp
from sipio.causes import NAMES, cause_of, status_of
from sipio.freeswitch import commands
from sipio.freeswitch.event_socket import Event
from sipio.freeswitch.leg import Leg, LegAction
from sipio.freeswitch.offer import headers_of
from sipio.reasons import reason_phrase

_BYE_HEADER: Final = "sip_bye_h_"
_BY_CALLER: Final = {"recv_bye": "BYE", "recv_cancel": "CANCEL", "recv_refuse": "refused"}


class HangingUp(LegAction):
    """Carries out a `Hangup`: a final answer before the call is answered, a BYE after."""

    def __init__(
        self, leg: "HangableLeg", action: Hangup, done: Callable[[ActionResult], None], *, answered: bool
    ) -> None:
        super().__init__(leg, done)
        self.action = action
        self._leg = leg
        self._answered = answered

    def start(self) -> None:
        action = self.action
        channel = self.leg.channel
        prefix = _BYE_HEADER if self._answered else "sip_rh_"
        for name, value in action.headers:
            channel.set_variable(f"{prefix}{name}", value)
        if action.code and not self._answered:
            reason = action.reason or reason_phrase(action.code)
            contact = next((value for name, value in action.headers if name.lower() == "contact"), "")
            if 300 <= action.code <= 399 and contact:
                channel.execute("redirect", contact.strip("<> "))
            else:
                channel.execute("respond", f"{action.code} {_line(reason)}")
        else:
            channel.send(commands.hangup(NAMES.get(action.cause, str(action.cause))))
        self.leg.timers.after(self.leg.environment.settings.hangup_seconds, self._force)

    def confirmed(self) -> None:
        """Be complete: FreeSWITCH has hung up."""
        self.finish(Done())

    def stop(self) -> None:
        """Do nothing: a hang-up cannot be taken back."""

    def hung_up(self) -> None:
        self.confirmed()

    def _force(self) -> None:
        if self.leg.gone:
            return
        # A hang-up waits its turn behind what an event lock holds up; uuid_kill does not.
        self.leg.channel.api(f"uuid_kill {self.leg.channel.uuid}")
        self.leg.timers.after(self.leg.environment.settings.hangup_seconds, self._give_up)

    def _give_up(self) -> None:
        if not self.leg.gone:
            self._leg.hang_up_now("FreeSWITCH did not end the call")


class HangableLeg(Leg, Protocol):
    """A leg that can be given up."""

    def hang_up_now(self, reason: str) -> None: ...


def hung_up_of(event: Event, asked: Hangup | None, variables_at_start: Mapping[str, str]) -> HungUp:
    """What a CHANNEL_HANGUP_COMPLETE says. ``asked`` is the hang-up that we had asked for, if any."""
    disposition = event.variable("sip_hangup_disposition")
    name = event.get("Hangup-Cause") or event.variable("hangup_cause")
    number = event.variable("hangup_cause_q850")
    cause = int(number) if number.isascii() and number.isdecimal() and len(number) < 4 else 0
    if not 0 < cause < 128:
        # Causes of FreeSWITCH's own, such as ORIGINATOR_CANCEL, are above those of Q.850.
        cause = cause_of(name) or 16
    answered = event.get("Caller-Channel-Answered-Time", "0") != "0"
    headers: list[tuple[str, str]] = []
    if disposition in _BY_CALLER:
        by = HangupBy.CALLER
        reason = _BY_CALLER[disposition]
        code = 0 if answered else 487
        variables = {key: value for key, value in event.variables().items() if variables_at_start.get(key) != value}
        headers = headers_of(variables, _BYE_HEADER)
        if "sip_reason" in variables:
            headers.append(("Reason", variables["sip_reason"]))
    elif asked is not None:
        by = HangupBy.SCRIPT
        code = 0 if answered else asked.code or status_of(asked.cause)
        # The words of a SIP answer say nothing of a call that was answered before.
        reason = name if answered else asked.reason or name
    else:
        by = HangupBy.SYSTEM
        code = 0 if answered else status_of(cause)
        reason = "media timeout" if name == "MEDIA_TIMEOUT" else name
    return HungUp(by=by, code=code, cause=cause, reason=reason, headers=headers)


def _line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text).strip()
