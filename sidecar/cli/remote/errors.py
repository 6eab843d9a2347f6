"""What a server did not do, each with the exit status of the command."""

from typing import Any, Final

from sidecar.errors import SidecarError

FAILED: Final = 1
USAGE: Final = 2
CHANGED: Final = 3
"""What is there is not what was seen."""
PROBLEMS_FOUND: Final = 4
"""As of `scriptforge check`: a text with something wrong in it."""
NOT_THERE: Final = 5
NOT_ALLOWED: Final = 6

EXIT_STATUS_TEXT: Final = (
    "Exit status: 0 done, 1 could not be done (the server cannot be reached, or says why), 2 wrong usage, 3 what is"
    " there is not what was seen, 4 a script is refused, 5 it is not there, 6 the token is missing or may not."
)
_CHANGED_KINDS: Final = ("changed-meanwhile", "precondition-required")


class ServerError(SidecarError):
    """A server was not asked, or has not done it."""

    exit_status = FAILED


class NoServer(ServerError):
    """It is not known which server, or not with which token."""

    exit_status = NOT_ALLOWED


class Conflict(ServerError):
    """What is there is not what was seen; nothing of it was written."""

    exit_status = CHANGED


class EmptyName(ServerError):
    """Something was named with no letter at all."""

    exit_status = USAGE


class Missing(ServerError):
    """What was named is not there."""

    exit_status = NOT_THERE


class Refusal(ServerError):
    """A server's answer that is an error (RFC 9457)."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        detail = problem.get("detail") or problem.get("title") or f"the server has answered with status {status}"
        super().__init__(str(detail))
        self.status = status
        self.kind = str(problem.get("type", "")).removeprefix("urn:scriptforge:")
        self.problems: list[dict[str, Any]] = problem.get("problems") or []
        """Of a script that is refused, with their places."""
        self.messages: list[str] = problem.get("messages") or []

    @property
    def changed(self) -> bool:
        """Whether somebody else has changed it, or nobody said what they had seen."""
        return self.status in (412, 428) and self.kind in _CHANGED_KINDS

    @property
    def exit_status(self) -> int:  # type: ignore[override]
        """Of the command."""
        if self.status in (401, 403):
            return NOT_ALLOWED
        if self.status == 404:
            return NOT_THERE
        if self.status in (412, 428):
            return CHANGED
        return PROBLEMS_FOUND if self.problems else FAILED
