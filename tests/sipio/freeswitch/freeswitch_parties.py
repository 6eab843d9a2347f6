"""Whom the double dials, and what runs on its channel meanwhile."""

from dataclasses import dataclass


@dataclass
class Party:
    """How a dialled party behaves."""

    ring: float | None = 0.1
    """Seconds to its 180; None for none."""
    media: float | None = None
    """Seconds to its early media; None for none."""
    answer: float | None = None
    """Seconds to its answer; None never answers."""
    refuse: int = 0
    """SIP status that it refuses with after ``ring``, or half a second after its early media."""
    ends_late: bool = False
    """Whether FreeSWITCH ends the bridge by its refusal before it tells the end of the leg, or the caller's leg."""
    talk: float | None = 1.0
    """Seconds from its answer to its BYE; None never hangs up."""
    ends_as: str = "NORMAL_CLEARING"
    """The cause of its end after the answer, where that is not its BYE."""


CAUSES = {
    486: ("USER_BUSY", "Busy Here"),
    404: ("UNALLOCATED_NUMBER", "Not Found"),
    403: ("CALL_REJECTED", "Forbidden"),
    603: ("CALL_REJECTED", "Decline"),
    487: ("ORIGINATOR_CANCEL", "Request Terminated"),
    480: ("NO_USER_RESPONSE", "Temporarily Unavailable"),
    503: ("NORMAL_TEMPORARY_FAILURE", "Service Unavailable"),
}


@dataclass
class Running:
    """An application on the channel's stack."""

    name: str
    argument: str
    event_uuid: str
    left: float | None
    """Seconds that it still needs; None runs until something ends it."""
    b_uuid: str = ""
    party: Party | None = None
    began: float = 0.0
    limit: int = 60
    redirects: bool = True
    """Whether the caller is sent where the other leg redirects."""
    bridged: bool = False
    """Whether the two hear each other: also by early media, which ends FreeSWITCH's wait for an answer."""
    talking: bool = False
    elapsed: float = 0.0
    rang: bool = False
