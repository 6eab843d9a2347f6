"""Scripts run in a real worker with the product's modules, as the tests of those run them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from sandbox import values
from sandbox.outcome import Completion, Returned, Threw
from sandbox.parent import Parent
from sandbox.pool import Pool, PoolSettings
from sandbox.program import Invocation, Limits
from sidecar.catalog.compile import make_script
from sidecar.hosts.grants import Grants, shipped_grants, shipped_modules
from sidecar.hosts.node.packages import Packages
from sidecar.hosts.services import Services
from sidecar.kind import Kind
from sidecar.runs.programs import Programs

MEMORY_BYTES = 4_000_000
ADAPTER = """({
  prepare: (data) => data,
  collect: (data, result) => result ?? null,
  caught: () => undefined,
  tellsRejection: () => true,
})"""


class Scripts:
    """Runs scripts of tenants with what they were granted."""

    def __init__(self, pool: Pool, grants: Grants, adapter: str) -> None:
        self._pool = pool
        self._adapter = adapter
        self._grants = grants

    def begin(
        self,
        text: str,
        data: Any = None,
        tenant: str = "t",
        *,
        seconds: float = 10.0,
        kind: Kind = Kind.APP,
        **more: Any,
    ) -> "asyncio.Future[Completion]":
        """Run ``main``, by default an App's, for so many seconds at most; ``more`` as of `make_script`."""
        script = make_script(id="s", name="s.js", kind=kind, text=text, tenant=tenant, **more)
        program = Programs(self._adapter, MEMORY_BYTES, shared_memory=False, grants=self._grants).of(script)
        program = msgspec.structs.replace(program, key=f"{tenant}\0{kind}\0{more}\0{text}")
        invocation = Invocation(
            program=program, input=values.encode(data), limits=Limits(wall_seconds=seconds), customer=tenant
        )
        done: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._pool.submit(invocation, done.set_result, self._grants.host(script, ""))
        return done

    async def run(self, text: str, data: Any = None, tenant: str = "t", **more: Any) -> Any:
        """What ``main`` returns. Raises AssertionError where it throws, with its error."""
        completion = await self.begin(text, data, tenant, **more)
        assert isinstance(completion.outcome, Returned), completion
        return msgspec.msgpack.decode(completion.outcome.value)

    async def error(self, text: str, data: Any = None, tenant: str = "t", **more: Any) -> Threw:
        """What ``main`` throws."""
        completion = await self.begin(text, data, tenant, **more)
        assert isinstance(completion.outcome, Threw), completion
        return completion.outcome


@asynccontextmanager
async def scripts(
    services: Services, *, workers: int = 1, adapter: str = ADAPTER, packages: Packages | None = None
) -> AsyncIterator[Scripts]:
    """A pool over these services; ``packages`` are those of npm's that there are."""
    grants = shipped_grants(services) if packages is None else Grants(shipped_modules(), services, packages)
    parent = Parent([adapter, *grants.javascript()])
    pool = Pool(PoolSettings(workers=workers, slow_workers=0), parent)
    await pool.start()
    try:
        yield Scripts(pool, grants, adapter)
    finally:
        await pool.close()
        parent.close()


def line_of(threw: Threw) -> int | None:
    """The author's line that an error is told of."""
    return threw.location.line if threw.location is not None else None
