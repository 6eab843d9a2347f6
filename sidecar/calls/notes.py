"""What is noted of a Class 5 call while it lasts, and becomes its record."""

from collections.abc import Sequence
from typing import Any, Final

from sidecar.operations.call_record import ActionRecord, CallRecord, LegRecord, WarningRecord
from sipio.call_control import ActionResult, Bridged, CallOffer, Digits, Done, Failed, HungUp, HungUpDuring

ACTIONS: Final = 1_000
"""Actions kept of one call; later ones are counted only."""
WARNINGS: Final = 100


class CallNotes:
    """What is noted of a call while it lasts."""

    def __init__(self, offer: CallOffer, tenant: str, customer: str, arrived: float, began: float) -> None:
        """``tenant`` is whose script it is. ``customer`` is whose call it is, empty where neither its assignment nor
        its switch says."""
        self.offer = offer
        self._tenant = tenant
        self._customer = customer
        self._arrived = arrived
        self._began = began
        self.answered: float | None = None
        self.actions: list[ActionRecord] = []
        self.left_out = 0
        self.legs: list[LegRecord] = []
        self.warnings: list[WarningRecord] = []
        self.recordings: list[str] = []
        self.log: list[str] = []

    def at(self, now: float) -> float:
        """Seconds since the call's arrival, in milliseconds' precision."""
        return round(now - self._began, 3)

    def action(
        self,
        text: str,
        began: float,
        now: float,
        result: ActionResult,
        headers: Sequence[tuple[str, str]] = (),
        taken: str = "",
    ) -> None:
        """An action has ended; ``headers`` went out with it. ``taken`` is the name that it got in place of the one
        that it asked for."""
        if len(self.actions) >= ACTIONS:
            self.left_out += 1
            return
        self.actions.append(
            ActionRecord(
                action=text,
                began=self.at(began),
                ended=self.at(now),
                result=_in_words(result, taken)[:200],
                headers=list(headers),
            )
        )

    def leg(self, destination: str, what: str, code: int, now: float) -> None:
        """The other leg rang, answered or ended."""
        if len(self.legs) < ACTIONS:
            self.legs.append(LegRecord(at=self.at(now), destination=destination, what=what, code=code))

    def warn(self, message: str, location: str, now: float) -> None:
        """Something that the author should mend."""
        if len(self.warnings) < WARNINGS:
            self.warnings.append(WarningRecord(at=self.at(now), message=message[:500], location=location))

    def write(self, line: str) -> None:
        """A line of the call's log."""
        if len(self.log) < ACTIONS:
            self.log.append(line[:1000])

    def close(self, hung_up: HungUp, now: float, **script: Any) -> CallRecord:
        """The record, once all is over."""
        offer = self.offer
        return CallRecord(
            id=offer.id,
            driver=offer.driver,
            tenant=self._tenant,
            customer=self._customer,
            cli=offer.from_user,
            cli_name=offer.from_name,
            dest_number=offer.to_user,
            source=offer.source,
            arrived=self._arrived,
            answered=self.answered,
            ended=self.at(now),
            hangup_by=hung_up.by.value,
            cause=hung_up.cause,
            code=hung_up.code,
            reason=hung_up.reason,
            actions=self.actions,
            actions_left_out=self.left_out,
            legs=self.legs,
            warnings=self.warnings,
            recordings=self.recordings,
            log=self.log,
            **script,
        )


def _in_words(result: ActionResult, taken: str) -> str:
    """What the call's record says of an action."""
    if isinstance(result, Done):
        value = result.value
        if isinstance(value, Digits):
            return f"{value.status.value} {value.value}".strip()
        if isinstance(value, Bridged):
            return f"{value.status.value} {value.code or ''}".strip()
        return f"done as {taken}" if taken else "done"
    if isinstance(result, Failed):
        return f"failed: {result.message}"
    return "hung up" if isinstance(result, HungUpDuring) else "stopped"
