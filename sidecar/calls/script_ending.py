"""How the script of a call ended, and what that means for the call."""

from typing import Final

import msgspec

from sandbox.outcome import Cancelled, Completion, Crashed, Refused, Returned
from sandbox.program import Program
from sidecar.runs.failure import Failure, failure_of
from sidecar.runs.outcomes import OutcomeName
from sidecar.text import printable
from sipio.call_control import Hangup
from sipio.causes import cause_of, status_of
from sipio.reasons import reason_phrase


class _Result(msgspec.Struct):
    reject: tuple[int, str] | None = None
    hungup: bool = False


_decode: Final = msgspec.msgpack.Decoder(_Result).decode


def _read(outcome: Returned) -> _Result:
    try:
        return _decode(outcome.value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        # What a script returns means nothing to a call; only a refusal would.
        return _Result()


def _refusal(outcome: Returned) -> tuple[int, str]:
    result = _read(outcome)
    if result.reject is None or not 300 <= result.reject[0] <= 699:
        return 0, ""
    code, reason = result.reject
    return code, printable(reason)


def not_the_scripts_doing(completion: Completion) -> bool:
    """Whether the script had no part in its end."""
    return isinstance(completion.outcome, Crashed | Refused)


def hangup_after(completion: Completion) -> Hangup:
    """How a call ends that is up when its script is over."""
    outcome = completion.outcome
    if isinstance(outcome, Returned):
        code, reason = _refusal(outcome)
        if code:
            return Hangup(code=code, reason=reason or reason_phrase(code), cause=cause_of(code))
        return Hangup(code=status_of(16), reason=reason_phrase(status_of(16)), cause=16)
    code = 503 if isinstance(outcome, Refused) else 500
    return Hangup(code=code, reason=reason_phrase(code), cause=41)


def failure_after(completion: Completion, program: Program) -> Failure:
    """What the call's record says of the script's failure, also where it has not failed."""
    outcome = completion.outcome
    if isinstance(outcome, Returned):
        result = _read(outcome)
        if result.hungup:
            return Failure(OutcomeName.HUNG_UP)
        return Failure(OutcomeName.SIP_ERROR if result.reject is not None else OutcomeName.RETURNED)
    if isinstance(outcome, Cancelled):
        return Failure(OutcomeName.CANCELLED, "the script did not end in the time it has after a hang-up")
    return failure_of(completion, program)
