"""What the operator sets for a tenant as a whole: it is read, and another is put in its place."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from fastapi import Response

from sidecar.catalog.database.work import Scope, Tagged, Work
from sidecar.http.asking import Asking
from sidecar.http.conditions import Condition, etag

_Value = TypeVar("_Value", contravariant=True)  # noqa: PLC0105 - of a protocol's argument
_Setting = TypeVar("_Setting")
_Record = TypeVar("_Record", bound=Tagged)
_Kept = TypeVar("_Kept", bound=Tagged, covariant=True)  # noqa: PLC0105 - of what a protocol gives


class _Put(Protocol[_Value, _Kept]):
    def __call__(self, work: Work, value: _Value, /, *, expected: str | None = None) -> Awaitable[_Kept]: ...


@dataclass(frozen=True, slots=True)
class TenantSetting(Generic[_Setting, _Record]):
    """One kind of setting, by the functions of the catalog that read and put it."""

    read: Callable[[Scope], Awaitable[_Record]]
    put: _Put[_Setting, _Record]

    async def get(self, asked: Asking, tenant: str, response: Response) -> _Record:
        """What there is, with its ETag. Raises ApiError for anybody but the operator, NotThere, StorageError."""
        asked.caller.require_operator()
        async with asked.platform.store.reading(tenant) as scope:
            found = await self.read(scope)
        response.headers.update(etag(found))
        return found

    async def replace(
        self, asked: Asking, tenant: str, setting: _Setting, condition: Condition, response: Response
    ) -> _Record:
        """Put another in its place, which holds in every process within a second. Raises as `get`, ChangedMeanwhile,
        PreconditionRequired, WrongValues."""
        async with asked.changing() as change:
            work = change.of(tenant)
            before = await self.read(work)
            condition.require(before)
            after = await self.put(work, setting, expected=condition.tag)
            condition.settle(before, work)
        await asked.platform.scripts.look_again()
        response.headers.update(etag(after))
        return after
