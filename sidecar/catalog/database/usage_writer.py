"""``python -m sidecar.catalog.database.usage_writer``: adds what standard input says was used to a database, and ends.

A process of its own, for once a minute, so that who decides calls imports no SQL.
"""

import asyncio
import sys
from collections.abc import Sequence

import msgspec

from sidecar.catalog.database.usage import Used, add_usage
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.storage.engine import Storage
from sidecar.storage.errors import StorageError


class Written(msgspec.Struct, frozen=True):
    """What is to be added, and where: on standard input, since whoever lists processes sees their arguments."""

    url: str
    used: Sequence[Used]


async def _write(asked: Written) -> None:
    storage = Storage(DatabaseUrl.parse(asked.url))
    try:
        await add_usage(storage, asked.used)
    finally:
        await storage.close()


def main() -> int:
    """The exit status; why it is not 0 is on standard error."""
    try:
        asyncio.run(_write(msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Written)))
    except StorageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
