"""The host of a job's run: what its function says of the job itself, kept also where it throws at once after."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from sandbox.host import HostCall
from sidecar.hosts.allowance import Allowance
from sidecar.hosts.run_host import RunHost

logger = logging.getLogger(__name__)

SAID: Final = 10_000
"""Of one run: each may be a transaction."""
_OF_JOB: Final = {"cxJob.setData": "data", "cxJob.setProgress": "progress"}


class JobHost:
    """A `sandbox.host.Host`, beside that of the modules."""

    def __init__(
        self, rest: RunHost | None, allowance: Allowance, keep: Callable[[str | None, str | None], Awaitable[object]]
    ) -> None:
        """``keep`` keeps data and progress, as JSON, of which None is as it was. It raises ValueError for what is too
        long."""
        self._rest = rest
        self._allowance = allowance
        self._keep = keep
        self._said = 0
        self._news: dict[str, str] = {}
        self._calls: list[HostCall] = []
        self._keeping: asyncio.Task[None] | None = None

    @property
    def had_outage(self) -> bool:
        """Whether something that a module works with did not answer."""
        return self._rest is not None and self._rest.had_outage

    def asked(self, call: HostCall) -> None:
        """Answer for the job, or have the other host do it."""
        what = _OF_JOB.get(call.name)
        if what is None:
            if self._rest is not None:
                self._rest.asked(call)
            else:
                call.reject(f"there is no host call {call.name}")
            return
        self._said += 1
        over = self._allowance.question()
        if self._said > SAID:
            call.reject(f"{call.name}: more than {SAID} of one run", name="RangeError")
        elif over is not None:
            call.reject(f"{call.name}: {over.why}; ask again in {over.seconds:.3g} s", name="RangeError")
        elif len(call.arguments) != 1 or not isinstance(call.arguments[0], str):
            call.reject(f"{call.name}: one value", name="TypeError")
        else:
            # What is said several times before it is kept is kept once.
            self._news[what] = call.arguments[0]
            self._calls.append(call)
            if self._keeping is None:
                self._keeping = asyncio.get_running_loop().create_task(self._keep_all())

    def ended(self) -> None:
        """The run is over; what it has said is kept all the same."""
        if self._rest is not None:
            self._rest.ended()

    async def kept(self) -> None:
        """Return once everything that was said is kept, or cannot be."""
        if self._keeping is not None:
            await self._keeping

    async def _keep_all(self) -> None:
        while self._calls:
            (news, self._news), (calls, self._calls) = (self._news, {}), (self._calls, [])
            try:
                await self._keep(news.get("data"), news.get("progress"))
            except ValueError as error:
                for call in calls:
                    call.reject(str(error), name="RangeError")
            except Exception as error:  # noqa: BLE001 - logged, and told where it was asked
                logger.warning("job_note_not_kept", extra={"error": str(error)})
                for call in calls:
                    call.reject(
                        "it cannot be kept: the job is not this run's any more, or the database does not answer"
                    )
            else:
                for call in calls:
                    call.resolve(None)
        self._keeping = None
