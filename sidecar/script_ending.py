"""How the script of a call ended, and what that means for the call."""

from typing import Any

import msgspec

from sandbox.answers import without_halves
from sandbox.outcome import Cancelled, Completion, Returned
from sidecar.decisions import failure_of


class _Result(msgspec.Struct):
    returned: Any = None
    reject: tuple[int, str] | None = None
    hungup: bool = False


def _read(outcome: Returned) -> _Result:
    try:
        # A refusal's reason with half of a surrogate pair is a refusal all the same.
        return msgspec.json.decode(without_halves(outcome.value), type=_Result)
    except (msgspec.MsgspecError, RecursionError):
        # What a script returns means nothing to a call; only a refusal would.
        return _Result()


def refusal(outcome: Returned) -> tuple[int, str]:
    result = _read(outcome)
    if result.reject is None or not 300 <= result.reject[0] <= 699:
        return 0, ""
    code, reason = result.reject
    return code, "".join(character if character.isprintable() else " " for character in reason[:200]).strip()


def ending_of(completion: Completion) -> tuple[str, str, str]:
    outcome = completion.outcome
    if isinstance(outcome, Returned):
        result = _read(outcome)
        if result.hungup:
            return "hung_up", "", ""
        return ("sip_error" if result.reject is not None else "returned"), "", ""
    if isinstance(outcome, Cancelled):
        return "cancelled", "the script did not end in the time it has after a hang-up", ""
    failure = failure_of(outcome)
    return failure.outcome, failure.message, failure.location
