"""What tenants use, by app and minute: counted in memory, written each minute in one transaction."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from sidecar.catalog.limits import NO_LIMITS, TenantLimits, over
from sidecar.catalog.model import Script
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.hosts.allowance import Allowance, Level

logger = logging.getLogger(__name__)

MINUTE: Final = 60.0
WRITER_SECONDS: Final = 30.0
_WRITER: Final = "sidecar.catalog.database.usage_writer"
UNWRITTEN: Final = 50_000
"""Counts of an app and a minute that wait for a database that is gone; past it the oldest are lost, and told of."""


class UsageCount:
    """Totals of one app since the start."""

    __slots__ = ("_taken", "allowance", "bytes", "cpu_us", "host_calls", "runs")

    def __init__(self, allowance: Allowance) -> None:
        self.allowance = allowance
        """Its tenant's."""
        self.runs = self.cpu_us = self.host_calls = self.bytes = 0
        self._taken = (0, 0, 0, 0)

    def take(self) -> tuple[int, int, int, int]:
        """What is new since this was last asked: runs, microseconds, questions, bytes."""
        before, self._taken = self._taken, (self.runs, self.cpu_us, self.host_calls, self.bytes)
        runs, cpu_us, host_calls, size = before
        return self.runs - runs, self.cpu_us - cpu_us, self.host_calls - host_calls, self.bytes - size

    def run(self, cpu_us: int) -> None:
        """Count a run that has ended."""
        self.runs += 1
        self.cpu_us += cpu_us
        if self.allowance.limited:
            self.allowance.used_cpu(cpu_us)

    def host_call(self, size: int) -> None:
        """Count a question, and the bytes that its answer had."""
        self.host_calls += 1
        self.bytes += size
        if self.allowance.limited:
            self.allowance.answered(size)


class UsedInMinute(msgspec.Struct, frozen=True):
    """What one app used in one minute."""

    tenant: str
    app: str
    minute: int
    runs: int
    cpu_us: int
    host_calls: int
    bytes: int


class Usage:
    """The counts of every app that has run, and what is left to each tenant."""

    def __init__(
        self, clock: Callable[[], float] = time.time, limits: TenantLimits = NO_LIMITS, *, shared: bool = False
    ) -> None:
        """``limits``: those of a tenant for whom nothing else was set. ``shared``: other processes are told what is
        used of them."""
        self.used_levels: dict[Level, None] | None = {} if shared else None
        """Of what is limited by time, what is used now."""
        self._limits = limits
        self._own: Mapping[str, TenantLimits] = {}
        self._allowances: dict[str, Allowance] = {}
        self._clock = clock
        self._counts: dict[tuple[str, str], UsageCount] = {}
        self._unwritten: list[UsedInMinute] = []
        self._minute = int(clock() // MINUTE)
        self.writing = asyncio.Lock()
        """Held while it is not known whether what was taken is kept: who breaks that off has it counted twice."""

    def of(self, script: Script) -> UsageCount:
        """The totals that a script's runs are counted in; they stay its app's."""
        place = script.tenant, script.app
        count = self._counts.get(place)
        if count is None:
            count = self._counts[place] = UsageCount(self.allowance(script.tenant))
        return count

    def allowance(self, tenant: str) -> Allowance:
        """What is left to a tenant."""
        allowance = self._allowances.get(tenant)
        if allowance is None:
            allowance = self._allowances[tenant] = Allowance(tenant, self.limits_of(tenant), self.used_levels)
        return allowance

    def limit(self, own: Mapping[str, TenantLimits]) -> None:
        """Tenants have these limits from now on, and those that are not among them the usual ones."""
        before, self._own = self._own, own
        for tenant in before.keys() | own.keys():
            if tenant in self._allowances and before.get(tenant) != own.get(tenant):
                self._allowances[tenant].limit(self.limits_of(tenant))

    def limits_of(self, tenant: str) -> TenantLimits:
        """What holds for a tenant now."""
        own = self._own.get(tenant)
        return self._limits if own is None else over(self._limits, own)

    def totals(self) -> Iterator[tuple[str, str, UsageCount]]:
        """Each tenant and app with its totals, in the order in which they first ran."""
        for (tenant, app), count in self._counts.items():
            yield tenant, app, count

    def allowances(self) -> Iterator[Allowance]:
        """Of each tenant that has run something."""
        yield from self._allowances.values()

    def take(self) -> Sequence[UsedInMinute]:
        """What is not written yet; counting begins anew."""
        for (tenant, app), count in self._counts.items():
            used = count.take()
            if any(used):
                self._unwritten.append(UsedInMinute(tenant, app, self._minute, *used))
        self._minute = int(self._clock() // MINUTE)
        if len(self._unwritten) > UNWRITTEN:
            logger.error("usage_lost", extra={"counts": len(self._unwritten) - UNWRITTEN})
            del self._unwritten[:-UNWRITTEN]
        return tuple(self._unwritten)

    def written(self, number: int) -> None:
        """So many of what was taken first are kept for good."""
        del self._unwritten[:number]

    async def write(self, url: DatabaseUrl) -> None:
        """Write what there is to a database; what cannot be written now is with the next."""
        async with self.writing:
            used = self.take()
            if not used:
                return
            asked = {"url": url.with_password(), "used": used}
            why = await _written(msgspec.msgpack.encode(asked))
            if why:
                logger.warning("usage_not_written", extra={"error": why, "counts": len(used)})
            else:
                self.written(len(used))

    async def write_each_minute(self, url: DatabaseUrl) -> None:
        """Write at the end of each minute, until cancelled."""
        while True:
            await asyncio.sleep(MINUTE - self._clock() % MINUTE)
            await self.write(url)


async def _written(asked: bytes) -> str:
    """Have a process of its own write it; why it could not, or an empty text."""
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            # Else a file of the folder that it was started in would stand for a module of Python's own.
            *("-P", "-m", _WRITER),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        return str(error)
    try:
        async with asyncio.timeout(WRITER_SECONDS):
            _, complaint = await process.communicate(asked)
    except TimeoutError:
        return f"not written within {WRITER_SECONDS:g} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return complaint.decode(errors="replace").strip()[-300:] or "unknown" if process.returncode else ""
