"""Key-values in Valkey or Redis: what waits is done in one step of the server's, in the order in which it was asked."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec

from sidecar.hosts.errors import HostError
from sidecar.hosts.key_values.batch import (
    Answer,
    Delete,
    Get,
    Increment,
    Operation,
    Place,
    Set,
    Space,
    Spaces,
    Sweep,
    beyond,
    life_micros,
    no_integer,
    too_many_bytes,
    too_many_keys,
)
from sidecar.hosts.key_values.store import KeptKey
from sidecar.shared.connection import Script, Shared

AT_ONCE: Final = 256
"""Of one step: the server answers nobody else meanwhile, which is about a millisecond."""
AT_ONCE_CHARACTERS: Final = 2_000_000
"""Of the texts of one step; the next one is in it whole."""
_LEAVES_LIFE: Final = -1
_SCRIPT: Final = Script.beside(__file__)
_Answer = TypeVar("_Answer")


class SharedKeeper:
    """A `sidecar.hosts.key_values.store.Keeper`."""

    def __init__(self, shared: Shared, limits: Spaces, clock: Callable[[], float] | None = None) -> None:
        """``clock``, by default the server's own, which is one for all machines."""
        self._shared = shared
        self._limits = limits
        self._clock = clock
        self._waiting: deque[tuple[Operation, asyncio.Future[Answer]]] = deque()
        self._working: asyncio.Task[None] | None = None

    def do(self, operation: Operation) -> "asyncio.Future[Answer]":
        """Do one operation."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((operation, answer))
        if self._working is None:
            self._working = loop.create_task(self._work())
        return answer

    async def page(self, tenant: str, after: str, limit: int) -> Sequence[KeptKey]:
        """A tenant's keys behind one."""
        rows = await self._ask(list[tuple[str, int, int | bool, int, int]], "page", tenant, after, limit)
        return [
            KeptKey(key, size, None if ends is False else ends, created, updated)
            for key, size, ends, created, updated in rows
        ]

    async def space(self, tenant: str) -> Space:
        """How much a tenant keeps."""
        return Space(*await self._ask(tuple[int, int], "space", tenant))

    async def ended(self, limit: int) -> Sequence[Place]:
        """Some of what has ended."""
        places = (place.partition("\x00") for place in await self._ask(list[str], "ended", limit))
        return [(tenant, key) for tenant, _, key in places]

    async def close(self) -> None:
        """Finish what is under way. The connection is whoever's who made it."""
        if self._working is not None:
            await asyncio.wait([self._working])

    async def _work(self) -> None:
        try:
            while self._waiting:
                taken = list(self._next())
                try:
                    answers: Sequence[Any] = await self._done([operation for operation, _ in taken])
                except Exception as error:  # noqa: BLE001 - it is raised where it was asked
                    answers = [error] * len(taken)
                for (_, answer), given in zip(taken, answers, strict=True):
                    if answer.done():
                        continue
                    if isinstance(given, Exception):
                        answer.set_exception(given)
                    else:
                        answer.set_result(given)
        finally:
            self._working = None

    def _next(self) -> Iterator[tuple[Operation, "asyncio.Future[Answer]"]]:
        number = characters = 0
        while self._waiting and number < AT_ONCE and characters < AT_ONCE_CHARACTERS:
            operation, answer = self._waiting.popleft()
            if answer.done():
                continue  # nobody waits for it: its run is over
            number += 1
            characters += len(operation.text) if isinstance(operation, Set) else 0
            yield operation, answer

    async def _done(self, operations: Sequence[Operation]) -> Sequence[Any]:
        if not operations:
            return ()
        answers = await self._run([self._written(operation) for operation in operations])
        found = msgspec.msgpack.decode(answers, type=list[Any])
        return [_read(operation, answer) for operation, answer in zip(operations, found, strict=True)]

    async def _ask(self, kind: type[_Answer], *operation: Any) -> _Answer:
        return msgspec.msgpack.decode(await self._run([operation]), type=tuple[kind])[0]  # type: ignore[valid-type]

    async def _run(self, operations: Sequence[Any]) -> bytes:
        now = b"" if self._clock is None else str(int(self._clock() * 1_000_000)).encode()
        answer: bytes = await self._shared.run(_SCRIPT, (now, msgspec.msgpack.encode(operations)))
        return answer

    def _written(self, operation: Operation) -> tuple[Any, ...]:
        tenant, key = operation.tenant, operation.key
        match operation:
            case Get():
                return "get", tenant, key
            case Set():
                limits = self._limits.of(tenant)
                return "set", tenant, key, operation.text, life_micros(operation.life), limits.keys, limits.bytes
            case Increment():
                limits = self._limits.of(tenant)
                life = life_micros(operation.life) if operation.life else _LEAVES_LIFE
                return "increment", tenant, key, str(operation.by), life, limits.keys, limits.bytes
            case Delete():
                return "delete", tenant, key
            case Sweep():
                return "sweep", tenant, key


def _read(operation: Operation, answer: Any) -> Answer | HostError:
    match answer:
        case False:
            return None
        case ["keys", int(keys)]:
            return too_many_keys(keys)
        case ["bytes", int(kept), int(most)]:
            return too_many_bytes(kept, most)
        case ["integer", text]:
            return no_integer(text)
        case ["beyond"]:
            return beyond(operation.key)
        case str() | int():
            return answer
    raise TypeError(f"a program of ours answered {answer!r}")
