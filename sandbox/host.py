"""What a host is: whoever answers what scripts ask while they wait. This package declares it and implements none."""

from collections.abc import Callable
from typing import Any, Protocol

from sandbox import values


class HostCall:
    """One question of a script. It is answered once; later answers are dropped, as is one of a run that is over."""

    __slots__ = ("_answer", "arguments", "name")

    def __init__(self, name: str, arguments: list[Any], answer: Callable[[bool, bytes, float | None], None]) -> None:
        self.name = name
        self.arguments = arguments
        self._answer: Callable[[bool, bytes, float | None], None] | None = answer

    def resolve(self, value: Any = None, clock: float | None = None) -> None:
        """Resolve the script's promise; ``clock`` as of `answer`. Raises as `sandbox.values.encode`."""
        self.answer(True, values.encode(value), clock)

    def reject(self, message: str, name: str = "Error") -> None:
        """Reject the script's promise with an error of this message and name."""
        self.answer(False, values.encode({"message": message, "name": name}))

    def answer(self, succeeded: bool, value: bytes, clock: float | None = None) -> None:
        """Resolve with MessagePack, or reject with the MessagePack of an error's properties. ``clock`` is the run's
        time from then on, in milliseconds since 1970, where its time is its host's (`Invocation.clock_given`)."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer(succeeded, value, clock)


class Host(Protocol):
    """Answers the host calls of one run. Both methods are called on the event loop."""

    def asked(self, call: HostCall) -> None:
        """A script asks. What this raises is reported to the event loop, and the call is rejected."""
        ...

    def ended(self) -> None:
        """The run is over, whatever its outcome: nothing that it asked for is wanted any more. Called once, before the
        run's ``done``."""
        ...
