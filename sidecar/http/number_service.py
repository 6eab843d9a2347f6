"""Numbers of carriers: a Driver is asked, and each step is written before and after.

What was begun goes on when whoever asked has gone: a number that the carrier has sold is written down.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

from msgspec import structs

from sidecar.catalog.carriers import Mode, NumberState
from sidecar.catalog.database import assignments, numbers, providers
from sidecar.catalog.database.errors import CatalogRefusal, NotAllowed, NotThere, WrongValues
from sidecar.catalog.database.numbers import NumberRecord
from sidecar.catalog.database.providers import ProviderRecord
from sidecar.catalog.database.work import Store, Work
from sidecar.catalog.directory.entries import DidTable
from sidecar.configuration.tree import DecisionSection
from sidecar.drivers.contract import place_of
from sidecar.drivers.did import AllocatedNumber, CarrierNumber, read_allocated, read_numbers, read_released
from sidecar.drivers.shapes import WrongResult
from sidecar.http.callers import Caller
from sidecar.http.conditions import Condition
from sidecar.http.live_scripts import LiveScripts
from sidecar.http.problems import ApiError
from sidecar.http.run_service import BadData, RunService
from sidecar.logs.logger import ActionLogger
from sidecar.runs.outcomes import OutcomeName
from sidecar.storage.errors import StorageError

_log = ActionLogger(__name__)
_Result = TypeVar("_Result")

CLOSE_SECONDS: Final = 2.0
"""What is under way at the end has this long to be written down."""


class DriverFailed(ApiError):
    """A Driver gave no answer, or a wrong one. ``asked`` says whether the carrier may have been asked."""

    def __init__(self, status: HTTPStatus, message: str, kind: str, location: str = "", *, asked: bool = True) -> None:
        file, line, column = _parts(location)
        place = {"file": file, "line": line, "column": column, "severity": "error", "message": message}
        detail = f"{location}: {message}" if location else message
        super().__init__(status, detail, kind=kind, more={"problems": [place]} if file else {})
        self.asked = asked


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedNumber:
    """A number that is to be bought."""

    did: str
    provider: str
    customer: str | None
    says_customer: bool
    """Whether that is said, and not left to the Driver."""
    assignment: DidTable | None
    adopt: bool
    """Whether the carrier has it for us already."""


class NumberService:
    """Of every tenant. Lives on one event loop."""

    def __init__(
        self, store: Store, scripts: LiveScripts, runs: RunService, defaults: DecisionSection, driver_seconds: float
    ) -> None:
        self._store = store
        self._scripts = scripts
        self._runs = runs
        self._defaults = defaults
        self._longest_us = int((driver_seconds + numbers.GRACE_SECONDS) * 1e6)
        self._under_way: set[asyncio.Task[Any]] = set()

    async def search(self, caller: Caller, provider: str, number: str) -> Sequence[CarrierNumber]:
        """What a carrier offers. Raises CatalogRefusal, StorageError, ApiError."""
        async with self._store.reading(caller.tenant) as scope:
            found = await providers.get_provider(scope, provider)
        return await self._ask(caller, found, "search", {"number": number}, lambda value: read_numbers("search", value))

    async def at_carrier(
        self, caller: Caller, provider: str
    ) -> tuple[Sequence[CarrierNumber], Mapping[str, NumberRecord]]:
        """What a carrier has for us, and what is known here of it. Raises as `search`."""
        async with self._store.reading(caller.tenant) as scope:
            found = await providers.get_provider(scope, provider)
            known = await numbers.known_subjects(scope, provider)
        return await self._listed(caller, found), known

    async def allocate(self, caller: Caller, wanted: WantedNumber) -> tuple[NumberRecord, bool]:
        """Buy a number, and give it to a script; and whether that was kept. Raises as `search`: where it is not known
        what became of it, its row says so."""
        return await self._finished(self._allocate(caller, wanted))

    async def release(self, caller: Caller, did: str, condition: Condition, *, unassign: bool) -> bool:
        """Give a number back; whether that was kept. Raises as `allocate`."""
        return await self._finished(self._release(caller, did, condition, unassign=unassign))

    async def settle(self, caller: Caller, did: str, held: bool | None) -> bool:
        """Find out whether a number is ours. Raises as `search`, NotAllowed where somebody says so who may not."""
        if held is not None and not caller.is_operator:
            raise NotAllowed("only the operator says whether a number is held; without it the carrier is asked")
        async with self._store.reading(caller.tenant) as scope:
            seen = await numbers.require_unsettled(scope, did, _now() - self._longest_us)
            provider = await providers.get_provider(scope, seen.provider)
        listed = None
        if held is None:
            subject = numbers.subject_of(did)
            listed = next((one for one in await self._listed(caller, provider) if one.subject == subject), None)
            held = listed is not None
        async with self._working(caller) as work:
            before = await numbers.require_unsettled(work, did, _now() - self._longest_us)
            if before != seen:
                raise numbers.NumberUnsettled(f"the number {did!r} has become something else meanwhile")
            if not held:
                await numbers.drop(work, did, "number.settle", unassign=before.state is NumberState.RELEASING)
            elif listed is not None and before.state is NumberState.ALLOCATING:
                await numbers.hold(work, did, listed.did, before.customer, listed.details)
            else:
                await numbers.keep(work, did, "number.settle")
        return held

    async def close(self) -> None:
        """Wait for what is under way: every run has been ended."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=CLOSE_SECONDS)
        for task in self._under_way:
            task.cancel()

    # ---- buying ----

    async def _allocate(self, caller: Caller, wanted: WantedNumber) -> tuple[NumberRecord, bool]:
        did = wanted.did
        async with self._working(caller) as work:
            provider = await providers.get_provider(work, wanted.provider)
            is_live = provider.mode is Mode.LIVE
            if is_live:
                await numbers.begin_allocation(work, did, wanted.provider, wanted.assignment, self._defaults)
            else:
                await numbers.require_free(work, did, wanted.assignment, self._defaults)
                self._tested(work, "allocate", wanted.provider, did)
        try:
            sold = await self._sold(caller, provider, wanted)
        except ApiError as error:
            if is_live:
                await self._failed(caller, did, error, is_sure=wanted.adopt)
            raise
        if sold is None:
            if is_live:
                async with self._working(caller) as work:
                    await numbers.drop(work, did, "number.refused")
            why = "the carrier does not list it" if wanted.adopt else "the carrier has refused it"
            raise ApiError(HTTPStatus.CONFLICT, f"the number {did!r}: {why}", kind="refused")
        customer = wanted.customer if wanted.says_customer else sold.customer
        if not is_live:
            return _untold(wanted, sold, customer), False
        return await self._hold(caller, wanted, sold, customer), True

    async def _sold(self, caller: Caller, provider: ProviderRecord, wanted: WantedNumber) -> AllocatedNumber | None:
        did = wanted.did
        if not wanted.adopt:
            return await self._ask(caller, provider, "allocate", {"did": did}, lambda value: read_allocated(did, value))
        subject = numbers.subject_of(did)
        for one in await self._listed(caller, provider):
            if one.subject == subject:
                return AllocatedNumber(did=one.did, details=one.details)
        return None

    async def _hold(
        self, caller: Caller, wanted: WantedNumber, sold: AllocatedNumber, customer: str | None
    ) -> NumberRecord:
        try:
            async with self._working(caller) as work:
                record = await numbers.hold(work, wanted.did, sold.did, customer, sold.details)
        except (StorageError, NotThere) as error:
            # The database is gone; or somebody has settled it meanwhile, by which it is not there.
            raise _not_written(caller, sold.did, wanted.provider, "bought", error) from error
        if wanted.assignment is None:
            return record
        try:
            async with self._working(caller) as work:
                await assignments.assign(work, structs.replace(wanted.assignment, did=sold.did), self._defaults)
                return await numbers.get_number(work, wanted.did)
        except (CatalogRefusal, StorageError) as error:
            # As it was asked for it was right: the script is gone since. The number is ours nevertheless.
            why = error if isinstance(error, CatalogRefusal) else "the database cannot be asked now"
            detail = f"the number {wanted.did!r} is held, and not assigned: {why}"
            raise ApiError(HTTPStatus.CONFLICT, detail, kind="not-assigned") from error

    # ---- giving back ----

    async def _release(self, caller: Caller, did: str, condition: Condition, *, unassign: bool) -> bool:
        async with self._working(caller) as work:
            before = await numbers.get_number(work, did)
            provider = await providers.get_provider(work, before.provider)
            is_live = provider.mode is Mode.LIVE
            if is_live:
                await numbers.begin_release(work, did, expected=condition.tag, unassign=unassign)
            else:
                await numbers.require_held(work, did, expected=condition.tag, unassign=unassign)
                self._tested(work, "release", before.provider, did)
            condition.settle(before, work)
        try:
            is_released = await self._ask(caller, provider, "release", {"did": before.did}, read_released)
        except ApiError as error:
            if is_live:
                await self._failed(caller, did, error, is_sure=False)
            raise
        if is_live:
            try:
                async with self._working(caller) as work:
                    if is_released:
                        await numbers.drop(work, did, "number.remove", unassign=unassign)
                    else:
                        await numbers.keep(work, did, "number.keep")
            except StorageError as error:
                what = "given back" if is_released else "not given back"
                raise _not_written(caller, did, before.provider, what, error) from error
        if not is_released:
            detail = f"the number {did!r}: the carrier does not take it back"
            raise ApiError(HTTPStatus.CONFLICT, detail, kind="refused")
        return is_live

    # ---- what both do ----

    async def _failed(self, caller: Caller, did: str, error: ApiError, *, is_sure: bool) -> None:
        """Write what has failed: where the carrier was not asked, or ``is_sure`` that nothing has changed there, it is
        as before."""
        was_asked = not isinstance(error, DriverFailed) or error.asked
        async with self._working(caller) as work:
            if was_asked and not is_sure:
                await numbers.doubt(work, did, str(error))
            elif (await numbers.get_number(work, did)).state is NumberState.ALLOCATING:
                await numbers.drop(work, did, "number.not_asked")
            else:
                await numbers.keep(work, did, "number.not_asked")

    async def _listed(self, caller: Caller, provider: ProviderRecord) -> Sequence[CarrierNumber]:
        return await self._ask(caller, provider, "list", None, lambda value: read_numbers("list", value))

    async def _ask(
        self,
        caller: Caller,
        provider: ProviderRecord,
        function: str,
        argument: Mapping[str, Any] | None,
        read: Callable[[Any], _Result],
    ) -> _Result:
        """What a function of a Driver says. Raises DriverFailed."""
        await self._scripts.look_again()
        runnable = self._scripts.by_id(provider.script)
        if runnable is None:
            detail = f"the script {provider.script!r} of the provider {provider.id!r} cannot be used"
            raise DriverFailed(HTTPStatus.BAD_GATEWAY, detail, "driver-failed", asked=False)
        script = runnable.script
        if function not in script.entries:
            detail = f"{script.name}: has no function `{function}`: this carrier cannot be asked so"
            raise DriverFailed(HTTPStatus.CONFLICT, detail, "function-missing", asked=False)
        try:
            run, _ = self._runs.begin(script, function, argument, caller.source)
        except BadData as error:
            raise WrongValues([str(error)]) from None
        except ApiError as error:
            raise DriverFailed(error.status, str(error), error.kind, asked=False) from None
        answer = await run.answer
        if not answer.failed:
            try:
                return read(answer.value)
            except WrongResult as error:
                place = place_of(script, function)
                _log.warning("driver_wrong", run=run.id, script=script.id, location=place, error=str(error))
                raise DriverFailed(HTTPStatus.BAD_GATEWAY, str(error), "driver-wrong", place) from None
        place = answer.location if _parts(answer.location)[1] else place_of(script, function)
        detail = f"{function}: {answer.message or answer.error}"
        match answer.outcome:
            case OutcomeName.TIMED_OUT:
                raise DriverFailed(HTTPStatus.GATEWAY_TIMEOUT, detail, "driver-timeout", place)
            case OutcomeName.REFUSED:
                raise DriverFailed(HTTPStatus.SERVICE_UNAVAILABLE, detail, "busy", place, asked=False)
        raise DriverFailed(HTTPStatus.BAD_GATEWAY, detail, "driver-failed", place)

    def _working(self, caller: Caller) -> Any:
        return self._store.working(caller.actor, caller.tenant)

    def _tested(self, work: Work, function: str, provider: str, did: str) -> None:
        """Put into the audit that a Driver is asked, of which nothing else is kept."""
        work.audit("number.test", did, None, {"provider": provider, "function": function})

    async def _finished(self, doing: Coroutine[Any, Any, _Result]) -> _Result:
        """What comes of it, which goes on where nobody waits any more."""
        task = asyncio.get_running_loop().create_task(doing)
        self._under_way.add(task)
        task.add_done_callback(self._over)
        return await asyncio.shield(task)

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.info("number_not_had", error=str(task.exception()))


def _not_written(caller: Caller, did: str, provider: str, what: str, error: Exception) -> ApiError:
    """What has become of a number at the carrier and is not in the database: there it is on its way, to be settled."""
    _log.error(
        "number_not_written", did=did, provider=provider, tenant=caller.tenant, what=what, error=str(error)[:300]
    )
    # Without Retry-After: to ask the same once more is not what mends it.
    detail = f"the number {did!r} is {what}, which could not be written: settle it once the database is there again"
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, detail, kind="not-written")


def _untold(wanted: WantedNumber, sold: AllocatedNumber, customer: str | None) -> NumberRecord:
    """What would be kept of a number."""
    return NumberRecord(
        did=sold.did,
        provider=wanted.provider,
        customer=customer,
        state=NumberState.HELD,
        fault="",
        details=sold.details,
        script=wanted.assignment.script if wanted.assignment is not None else None,
        changed=_now(),
    )


def _now() -> int:
    return time.time_ns() // 1000


def _parts(location: str) -> tuple[str, int, int]:
    file, _, rest = location.rpartition(":")
    name, _, line = file.rpartition(":")
    if line.isdigit() and rest.isdigit():
        return name, int(line), int(rest)
    return location, 0, 0
