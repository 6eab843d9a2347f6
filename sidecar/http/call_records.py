"""The records of calls, which the call daemon writes on this machine, as the API finds them."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from sidecar.catalog.database.errors import NotThere
from sidecar.errors import SidecarError
from sidecar.http.problems import ApiError
from sidecar.logs.logger import ActionLogger
from sidecar.operations.call_record import CallRecord
from sidecar.operations.call_search import CallSearch, FoundCalls, exactly, search

_Found = TypeVar("_Found")
_log = ActionLogger(__name__)


class CallRecords:
    """Reads them in a thread, one question at a time: who asks all day long costs the runs of others no more than one
    thread does."""

    def __init__(self, directory: Path | None) -> None:
        """``directory`` is ``voice.records``; None where none are kept."""
        self._directory = directory
        self._one = asyncio.Lock()

    async def search(self, wanted: CallSearch, after: str | None, most: int) -> FoundCalls:
        """See `sidecar.operations.call_search.search`. Raises NotThere where none are kept, and ApiError."""
        return await self._asked(lambda directory: search(directory, wanted, after, most))

    async def find(self, call_id: str, tenant: str | None) -> CallRecord:
        """The newest record of a tenant's call, or of anybody's. Raises NotThere, ApiError."""

        def first(directory: Path) -> CallRecord | None:
            found = exactly(directory, call_id)
            return next((one for one in found if tenant is None or one.tenant == tenant), None)

        record = await self._asked(first)
        if record is None:
            raise NotThere(f"there is no record of a call {call_id!r}")
        return record

    async def _asked(self, question: Callable[[Path], _Found]) -> _Found:
        if self._directory is None:
            raise NotThere("no call records are kept here: voice.records is empty")
        async with self._one:
            try:
                return await asyncio.to_thread(question, self._directory)
            except SidecarError as error:
                _log.error("call_records_not_read", error=str(error))
                raise ApiError(
                    HTTPStatus.SERVICE_UNAVAILABLE, "the call records cannot be read now", kind="unavailable"
                ) from error
