"""Addresses of jobs that nobody guesses, for whoever asked for one without being of its tenant.

A job's id is no secret: its function has it as ``JOB_ID``, and gives it to whomever it calls. An address is the id and
a code over it with a key that is the database's own, so that every platform knows the addresses of all.
"""

import hashlib
import hmac
import os
from typing import Final

from sqlalchemy import select

from sidecar.queue.rows import insert_new
from sidecar.queue.store import JobRows
from sidecar.storage.tables import job_address_keys

ID_CHARACTERS: Final = 32
CODE_BYTES: Final = 16
_ONLY: Final = 1


class Addresses:
    """Its methods raise StorageError."""

    def __init__(self, rows: JobRows) -> None:
        self._rows = rows
        self._key: bytes | None = None

    async def of(self, job_id: str) -> str:
        """The address of a job."""
        return job_id + _code(await self._known_key(), job_id)

    async def job(self, address: str) -> str | None:
        """The id that an address is of; None for one that was never given."""
        job_id, code = address[:ID_CHARACTERS], address[ID_CHARACTERS:]
        right = _code(await self._known_key(), job_id)
        return job_id if hmac.compare_digest(code.encode("utf-8", "replace"), right.encode()) else None

    async def _known_key(self) -> bytes:
        if self._key is None:
            query = select(job_address_keys.c.key).where(job_address_keys.c.id == _ONLY)
            async with self._rows.storage.reading() as connection:
                found = (await connection.execute(query)).scalar_one_or_none()
            if found is None:
                row = {"id": _ONLY, "key": os.urandom(32).hex()}
                async with self._rows.storage.writing() as connection:
                    await insert_new(connection, self._rows.database, job_address_keys, [row])
                async with self._rows.storage.reading() as connection:
                    found = (await connection.execute(query)).scalar_one()
            self._key = bytes.fromhex(found)
        return self._key


def _code(key: bytes, job_id: str) -> str:
    return hmac.digest(key, job_id.encode("utf-8", "replace"), hashlib.sha256)[:CODE_BYTES].hex()
