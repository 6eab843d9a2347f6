"""Variables of apps for their own scripts: what the catalog's database refuses, as a module refuses it."""

import contextlib
import logging
from collections.abc import Iterator, Mapping

from sidecar.catalog.database.errors import CatalogRefusal
from sidecar.catalog.database.script_variables import ScriptVariables, StorageError
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.hosts.errors import HostError, HostUnavailable

logger = logging.getLogger(__name__)


class HostVariables:
    """Variables of every tenant's apps. Lives on one event loop."""

    def __init__(self, url: DatabaseUrl) -> None:
        self._variables = ScriptVariables(url)

    async def read(self, tenant: str, app: str) -> Mapping[str, str]:
        """An app's variables by name. Raises HostError."""
        with _translated():
            return await self._variables.read(tenant, app)

    async def set(self, tenant: str, app: str, script: str, name: str, value: str) -> None:
        """Set one, as a script of the app: runs that are loaded later have it. Raises HostError."""
        with _translated():
            await self._variables.set(tenant, app, script, name, value)

    async def close(self) -> None:
        """Close every connection."""
        await self._variables.close()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except CatalogRefusal as error:
        raise HostError(str(error)) from None
    except StorageError as error:
        logger.warning("variables_failed", extra={"error": str(error)})
        raise HostUnavailable("the database does not answer") from error
