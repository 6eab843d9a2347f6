"""What a route of the API is given: who asks, and what of the platform it works with."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request

from sidecar.catalog.compile import Rules
from sidecar.catalog.database.checks import Checks
from sidecar.catalog.database.work import Change, Scope, Store, Work
from sidecar.hosts.services import Services
from sidecar.http.async_runs import AsyncRunRules
from sidecar.http.call_records import CallRecords
from sidecar.http.callers import Caller, Tokens, caller_for
from sidecar.http.cancelling import Cancelling
from sidecar.http.gate import BEARER
from sidecar.http.live_scripts import LiveScripts
from sidecar.http.number_service import NumberService
from sidecar.http.rates import Rates
from sidecar.http.run_pages import source_of
from sidecar.http.run_service import RunService
from sidecar.http.script_log import ScriptLog
from sidecar.http.shapes import NO_NUL


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What requests are answered with."""

    store: Store
    checks: Checks
    rules: Rules
    scripts: LiveScripts
    runs: RunService
    cancelling: Cancelling
    numbers: NumberService
    log: ScriptLog
    calls: CallRecords
    services: Services
    tokens: Tokens
    rates: Rates
    refuses_address: Callable[[str], str]
    """Why a URL may not be connected to; empty where it may."""
    previous_secret_seconds: int
    """How long webhooks are signed with a tenant's secret before as well."""
    async_runs: AsyncRunRules


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. Every look at the catalog and every change of it is of one tenant, which is said here."""

    caller: Caller
    platform: Platform

    @contextlib.asynccontextmanager
    async def reading(self, scope: str = "read") -> AsyncIterator[Scope]:
        """The tenant's part as it is now. Raises ApiError, NotThere, StorageError."""
        self.caller.require(scope)
        async with self.platform.store.reading(self.caller.tenant) as found:
            yield found

    async def require(self, scope: str) -> str:
        """The tenant, for what is not in the catalog. Raises ApiError without the scope, NotThere, StorageError."""
        async with self.reading(scope):
            return self.caller.tenant

    @contextlib.asynccontextmanager
    async def writing(self, scope: str = "write") -> AsyncIterator[Work]:
        """A change of the tenant's part, which runs by the time that it is answered. Raises as `reading`."""
        self.caller.require(scope)
        async with self.platform.store.working(self.caller.actor, self.caller.tenant) as work:
            yield work
        await self.platform.scripts.look_again()

    @contextlib.asynccontextmanager
    async def changing(self) -> AsyncIterator[Change]:
        """A change that is no tenant's alone, which only the operator makes."""
        self.caller.require_operator()
        async with self.platform.store.changing(self.caller.actor) as change:
            yield change


def _asked(
    request: Request,
    tenant: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=256,
            pattern=NO_NUL,
            description="Whose it is, by default the token's tenant. Another one the operator alone may name.",
        ),
    ] = None,
) -> Asked:
    platform: Platform = request.app.state.platform
    return Asked(caller_for(request.scope[BEARER], tenant, source_of(request)), platform)


Asking = Annotated[Asked, Depends(_asked)]
