"""The life of a part of the daemon: a service or a way in. The daemon makes them in order and leads them through it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sipio.held_socket import HeldSocket


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """What a part says of itself."""

    addresses: Sequence[str] = ()
    """Where it can be asked for a decision or brought a call, once started."""
    fault: str = ""
    """Why it does not do its work, in words for ``/health``; empty while it does."""
    details: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """What else ``/health`` says of it."""


class Part(Protocol):
    """One part. Each step of the end is taken by all parts, in the order of their start, before the next step begins;
    a part that failed to start, or was not started, is closed as well."""

    @property
    def name(self) -> str:
        """What logs call it."""
        ...

    @property
    def drain_seconds(self) -> float:
        """The longest that `drain` may take."""
        ...

    async def start(self) -> None:
        """Begin to work. Raises SidecarError, SandboxError, LocalError or OSError where it cannot."""
        ...

    def refuse_calls(self) -> None:
        """Take no new call that a script would drive; decisions are made as before."""
        ...

    def stop_accepting(self) -> None:
        """Refuse what is new; what was taken goes on."""
        ...

    async def drain(self) -> None:
        """Return once what was taken is done, or its time is up and it was ended."""
        ...

    def cancel_rest(self) -> None:
        """End what is still being done, each with the answer that its failure has."""
        ...

    async def close(self) -> None:
        """Send what was answered, then end connections and all else that is held."""
        ...

    def state(self) -> PartState:
        """A picture of now."""
        ...


class HandedOver(Part, Protocol):
    """A part whose sockets the next process may go on with, so that nobody who is connected notices more than a pause.

    The order: `hold`, and once it is `at_rest` `hand_over`, then `let_go`; or after any of them but the last `resume`.
    """

    def take(self, held: Sequence[HeldSocket]) -> None:
        """Go on with these, of the process before, in `start`; what is of no use any more is closed then."""
        ...

    def hold(self) -> None:
        """Accept and read no more: what comes waits in the kernel."""
        ...

    def resume(self) -> None:
        """Accept and read again."""
        ...

    @property
    def at_rest(self) -> bool:
        """Whether everything that was read has its answer, and the answers have left."""
        ...

    def hand_over(self) -> Sequence[HeldSocket]:
        """Other descriptors of the sockets, and what goes with them."""
        ...

    def let_go(self) -> None:
        """Give up the sockets without a word to the peers: the next process goes on with them."""
        ...


async def refuse_calls_of_all(parts: Iterable[Part]) -> None:
    """Have parts refuse new calls of scripts, in their order."""

    async def step(part: Part) -> None:
        part.refuse_calls()

    await _each(parts, step, "refuse calls")


async def stop_accepting_all(parts: Iterable[Part]) -> None:
    """Have parts refuse what is new, in their order."""

    async def step(part: Part) -> None:
        part.stop_accepting()

    await _each(parts, step, "stop accepting")


async def drain_all(parts: Iterable[Part]) -> None:
    """Wait for what parts have taken, one part after the other."""
    await _each(parts, lambda part: part.drain(), "be drained")


async def cancel_rest_of_all(parts: Iterable[Part]) -> None:
    """End what parts are still doing, in their order."""

    async def step(part: Part) -> None:
        part.cancel_rest()

    await _each(parts, step, "end what is left")


async def close_all(parts: Iterable[Part]) -> None:
    """Close parts side by side, so that one that takes all of the time leaves the others theirs."""
    await _each(parts, lambda part: part.close(), "be closed", together=True)


async def _each(
    parts: Iterable[Part], step: Callable[[Part], Awaitable[None]], words: str, *, together: bool = False
) -> None:
    """Take a step with each part, also where another's raised; then raise what they did.

    Each part begins in its order. Where the whole is cancelled every step that has not ended is.
    """
    errors: dict[str, Exception] = {}

    async def one(part: Part) -> None:
        try:
            await step(part)
        except Exception as error:  # noqa: BLE001 - raised below, once the other parts had their turn
            errors[part.name] = error

    if together:
        await asyncio.gather(*map(one, parts))
    else:
        for part in parts:
            await one(part)
    if errors:
        said = "; ".join(f"{name}: {error}" for name, error in errors.items())
        raise ExceptionGroup(f"could not {words}: {said}", list(errors.values()))
