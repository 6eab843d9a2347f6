"""What became of a call that a script has placed, for those who record and count it."""

from enum import StrEnum

import msgspec

from sidecar.hosts.placed.placing import CallRequest
from sipio.call_control import Origination


class PlacedOutcome(StrEnum):
    """How far a placed call has come."""

    CONNECTED = "connected"
    """Its two parties had each other on the line."""
    NOT_CONNECTED = "not_connected"
    """The first one answered, and the second was not reached."""
    NOT_ANSWERED = "not_answered"
    """The first one was busy, declined, could not be called, or did not answer in time."""
    GIVEN_UP = "given_up"
    """It was hung up on our side before the first one answered: by its script, at its run's end, or by the daemon's."""


class PartyEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One of its parties rang, answered or was hung up; as `sipio.call_control.LegEvent`."""

    at: float
    """Seconds from the call's beginning."""
    destination: str
    what: str
    code: int = 0


class EndedPlacedCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call from the order for it to its end."""

    origination: Origination
    request: CallRequest
    """The script's, with whom its first party was connected to last."""
    carried_by: str
    """The driver, as records of calls name it."""
    began: float
    """Unix time; every other time is in seconds from here."""
    answered: float | None
    ended: float
    by: str
    code: int
    cause: int
    reason: str
    outcome: PlacedOutcome
    error: str
    """Why the two could not be connected, where that was nobody's answer."""
    parties: list[PartyEvent]
