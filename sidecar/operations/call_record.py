"""The record of one Class 5 call: what it was, what was done on it, how it ended."""

import msgspec


class ActionRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One action, in order of its beginning. Times are seconds from the call's arrival."""

    action: str
    began: float
    ended: float
    result: str
    headers: list[tuple[str, str]] = []
    """Headers that went out with it, on the answer, to the other leg or with the refusal."""


class LegRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something about the other leg."""

    at: float
    destination: str
    what: str
    code: int = 0


class WarningRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that the script's author should mend."""

    at: float
    message: str
    location: str = ""


class CallRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call from its arrival to its end."""

    id: str
    driver: str
    placed: bool = False
    """Whether a script has placed it; else it came in."""
    tenant: str = ""
    """Whose script it was that drove or placed it."""
    customer: str = ""
    cli: str
    cli_name: str = ""
    dest_number: str
    """What was dialled; of a placed call for its first party."""
    server: str = ""
    """Of a placed call: the server that it was placed by."""
    extension: str = ""
    """Of a placed call: whom its first party was connected to, or last transferred to."""
    source: str = ""
    script: str = ""
    script_version: str = ""
    arrived: float
    """Unix time; every other time is in seconds from here."""
    answered: float | None = None
    ended: float
    hangup_by: str
    cause: int
    code: int = 0
    reason: str = ""
    outcome: str
    """How the script ended: returned, sip_error, hung_up, script_error, timed_out, out_of_memory, crashed, refused,
    cancelled; ``refused`` also where the call was never given to it. Of a placed call how far it has come: connected,
    not_connected, not_answered, given_up."""
    error: str = ""
    error_location: str = ""
    actions: list[ActionRecord] = []
    actions_left_out: int = 0
    legs: list[LegRecord] = []
    warnings: list[WarningRecord] = []
    recordings: list[str] = []
    log: list[str] = []
    kept: str = ""
    """The file that has all of it, for ``scriptforge run --repeat``."""
