"""A catalog in a database, and short words for what is done with it."""

from collections.abc import Mapping
from typing import Any

from sidecar.catalog.app_variables import Variable
from sidecar.catalog.compile import Rules
from sidecar.catalog.database import apps, assignments, module_grants, scripts, tenants
from sidecar.catalog.database.apps import AppRecord, VariableRecord
from sidecar.catalog.database.assignments import AssignmentRecord, CustomerRecord
from sidecar.catalog.database.checks import Checks, TextToSave
from sidecar.catalog.database.scripts import ScriptRecord
from sidecar.catalog.database.values import table_of
from sidecar.catalog.database.work import Actor, Store
from sidecar.catalog.limits import TenantLimits
from sidecar.catalog.module_grants import ModuleGrants
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.kind import Kind
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade

RULES = Rules(modules=frozenset({"cxC5Server", "cxKV"}))
OPERATOR = Actor("root", "command line", operator=True)
ACME = Actor("token 1 (acme)", "192.0.2.1")
MAIN = "function main(data) { return data }\n"
APP = "async function main(data) { return data }\n"


class Desk:
    """A store, and what tests do with it."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.store = Store(storage)
        self.checks = Checks(RULES, 1_000_000)

    async def put(
        self,
        tenant: str,
        script_id: str,
        text: str = MAIN,
        *,
        actor: Actor = OPERATOR,
        expected: str | None = None,
        note: str = "",
        **more: Any,
    ) -> ScriptRecord:
        table: Any = table_of("script", {"file": f"{script_id}.js", "id": script_id, **more})
        checked = self.checks.check_now(text, table.kind, table.file, table.modules)
        async with self.store.working(actor, tenant) as work:
            return await scripts.put_script(work, table, checked, RULES, expected=expected, note=note)

    async def save(
        self,
        tenant: str,
        name: str,
        text: str,
        *,
        actor: Actor = OPERATOR,
        expected: str | None = None,
        kind: Kind = Kind.SCRIPT,
    ) -> ScriptRecord:
        checked = self.checks.check_now(text, kind, name)
        async with self.store.working(actor, tenant) as work:
            return await scripts.save_text(work, name, checked, expected=expected)

    async def files(
        self,
        tenant: str,
        app: str,
        texts: Mapping[str, str],
        *,
        kind: Kind = Kind.APP,
        actor: Actor = OPERATOR,
    ) -> dict[str, ScriptRecord]:
        """Save files of an app together, each as the script whose id is its path."""
        wanted = [TextToSave(path, text, kind, path) for path, text in texts.items()]
        checked = await self.checks.check_files(self.store.reading(tenant), app, wanted)
        async with self.store.working(actor, tenant) as work:
            found = {}
            for path, one in zip(texts, checked, strict=True):
                table: Any = table_of("script", {"file": path, "id": path, "app": app, "kind": kind.value})
                found[path] = await scripts.put_script(work, table, one, RULES)
            return found

    async def limits(self, tenant: str, **limits: int) -> None:
        async with self.store.changing(OPERATOR) as change:
            await tenants.put_limits(await tenants.make_tenant(change, tenant), TenantLimits(**limits))

    async def grant(self, tenant: str, grants: ModuleGrants) -> None:
        async with self.store.changing(OPERATOR) as change:
            await module_grants.put_grants(await tenants.make_tenant(change, tenant), grants)

    async def get(self, tenant: str, name: str) -> ScriptRecord:
        async with self.store.reading(tenant) as scope:
            return await scripts.get_script(scope, name)

    async def assign(
        self, tenant: str, kind: str, *, actor: Actor = OPERATOR, expected: str | None = None, **values: Any
    ) -> AssignmentRecord:
        table: Any = table_of(kind, values)
        async with self.store.working(actor, tenant) as work:
            return await assignments.assign(work, table, RULES.defaults, expected=expected)

    async def customer(
        self, tenant: str, name: str, variables: Mapping[str, Any], *, actor: Actor = OPERATOR
    ) -> CustomerRecord:
        table: Any = table_of("customer", {"customer": name, "vars": variables})
        async with self.store.working(actor, tenant) as work:
            return await assignments.put_customer(work, table, RULES.defaults)

    async def app(self, tenant: str, name: str) -> AppRecord:
        table: Any = table_of("app", {"id": name})
        async with self.store.working(OPERATOR, tenant) as work:
            return await apps.put_app(work, table)

    async def variable(self, tenant: str, app: str, name: str, value: str, **flags: bool) -> VariableRecord:
        async with self.store.working(OPERATOR, tenant) as work:
            return await apps.put_variable(work, app, Variable(name=name, value=value, **flags))

    async def close(self) -> None:
        await self.store.close()


async def made(address: str) -> Desk:
    """A new one with its tenants."""
    storage = Storage(DatabaseUrl.parse(address), create=True)
    await upgrade(storage)
    desk = Desk(storage)
    async with desk.store.changing(OPERATOR) as change:
        await tenants.make_tenant(change, "operator")
        await tenants.make_tenant(change, "acme")
        await tenants.make_tenant(change, "beta")
    return desk
