"""A catalog read once, for whoever looks at it and is gone."""

from sidecar.catalog.database.following import everything
from sidecar.catalog.database.messages import Piece
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.storage.engine import Storage
from sidecar.storage.schema import read_state


async def read_pieces(url: DatabaseUrl) -> list[Piece]:
    """Everything. Raises StorageError."""
    storage = Storage(url)
    try:
        async with storage.reading() as connection:
            (await read_state(connection)).require(url)
            return [piece async for piece in everything(connection)]
    finally:
        await storage.close()
