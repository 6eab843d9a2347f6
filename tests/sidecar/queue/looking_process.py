"""python -m tests.sidecar.queue.looking_process URL

Looks at what is due, as a platform does, in a process of its own for each line of its input, so that this one can be
killed: the line that it begins with is its id, and each further one tells of a look.
"""

import asyncio
import os
import sys

from sidecar.configuration.database_url import DatabaseUrl
from sidecar.queue import scheduling
from sidecar.queue.life import Keeping
from sidecar.queue.queue import JobQueue

LOOKED_AT = 7


def tell(line: str) -> None:
    """At once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def look(url: DatabaseUrl) -> None:
    """Look until nothing is due."""
    queue = JobQueue(url, Keeping())
    while True:
        found = await queue.scheduling.look()
        tell("looked")
        if found.wait_micros is None or found.wait_micros > 0:
            break
    await queue.close()


def main(address: str) -> None:
    """Begin one for each line, once the one before is gone."""
    scheduling.LOOKED_AT = LOOKED_AT  # type: ignore[misc]
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            tell(str(os.getpid()))
            asyncio.run(look(DatabaseUrl.parse(address)))
            os._exit(0)
        os.waitpid(child, 0)
        tell("gone")


if __name__ == "__main__":
    main(sys.argv[1])
