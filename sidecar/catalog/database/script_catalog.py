"""What scripts read and set of the catalog while they run: the variables of their app, templates of mail."""

from collections.abc import Mapping
from typing import Final

from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from sidecar.catalog.database.apps import read_variables, set_value
from sidecar.catalog.database.errors import CatalogRefusal, TooOften
from sidecar.catalog.database.mail_templates import MailTemplateRecord, get_template
from sidecar.catalog.database.work import Actor, Store
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.storage.engine import Storage
from sidecar.storage.errors import StorageError

CHANGES: Final = parse("60/minute")
"""Of one app by its own scripts in one process. Each is a change of the catalog, which every process reads anew: what
changes with every call belongs into cxKV."""

__all__ = ["CatalogRefusal", "ScriptCatalog", "StorageError"]


class ScriptCatalog:
    """Of every tenant. Lives on one event loop."""

    def __init__(self, url: DatabaseUrl) -> None:
        self._store = Store(Storage(url))
        self._rates = MovingWindowRateLimiter(MemoryStorage())

    async def variables(self, tenant: str, app: str) -> Mapping[str, str]:
        """An app's variables by name. Raises CatalogRefusal, StorageError."""
        async with self._store.reading(tenant) as scope:
            return {one.name: one.value for one in await read_variables(scope, app)}

    async def set_variable(self, tenant: str, app: str, script: str, name: str, value: str) -> None:
        """Set one, as a script of the app; its flags stay as they are. Raises CatalogRefusal, StorageError."""
        if not await self._rates.hit(CHANGES, tenant, app):
            raise TooOften(f"scripts of app {app!r} have set variables {CHANGES.amount} times in a minute")
        async with self._store.working(Actor(f"script {script} ({tenant})", "script"), tenant) as work:
            await set_value(work, app, name, value)

    async def template(self, tenant: str, name: str) -> MailTemplateRecord:
        """A template of mail. Raises CatalogRefusal, StorageError."""
        async with self._store.reading(tenant) as scope:
            return await get_template(scope, name)

    async def close(self) -> None:
        """Close every connection."""
        await self._store.close()
