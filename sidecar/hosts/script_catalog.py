"""What of the catalog's database is asked by modules: what it refuses, as a module refuses it."""

import contextlib
import logging
from collections.abc import Iterator, Mapping

from sidecar.catalog.database.script_catalog import CatalogRefusal, ScriptCatalog, StorageError
from sidecar.catalog.directory.mail_templates import MailTemplate
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.hosts.errors import HostError, HostUnavailable

logger = logging.getLogger(__name__)


class HostCatalog:
    """Variables and templates of every tenant. Lives on one event loop."""

    def __init__(self, url: DatabaseUrl) -> None:
        self._catalog = ScriptCatalog(url)

    async def variables(self, tenant: str, app: str) -> Mapping[str, str]:
        """An app's variables by name. Raises HostError."""
        with _translated():
            return await self._catalog.variables(tenant, app)

    async def set_variable(self, tenant: str, app: str, script: str, name: str, value: str) -> None:
        """Set one, as a script of the app: runs that are loaded later have it. Raises HostError."""
        with _translated():
            await self._catalog.set_variable(tenant, app, script, name, value)

    async def template(self, tenant: str, name: str) -> MailTemplate:
        """A template of mail. Raises HostError."""
        with _translated():
            found = await self._catalog.template(tenant, name)
        return MailTemplate(subject=found.subject, text=found.text, html=found.html)

    async def close(self) -> None:
        """Close every connection."""
        await self._catalog.close()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except CatalogRefusal as error:
        raise HostError(str(error)) from None
    except StorageError as error:
        logger.warning("catalog_not_asked", extra={"error": str(error)})
        raise HostUnavailable("the database does not answer") from error
