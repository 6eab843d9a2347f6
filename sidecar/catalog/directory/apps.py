"""The apps of a document: what belongs to them, and what of that does not go together."""

from collections.abc import Iterator, Sequence

from sidecar.catalog.app_variables import VARIABLES, Variable
from sidecar.catalog.directory.entries import (
    AppTable,
    Complaint,
    ScriptTable,
    TablePlace,
    TenantTable,
    VariableTable,
)
from sidecar.catalog.limits import NO_LIMITS, TenantLimits
from sidecar.catalog.model import OPERATOR
from sidecar.catalog.module_grants import NO_GRANTS, ModuleGrants


class Apps:
    """Apps, their variables, and the tenants that are named by themselves."""

    def __init__(self) -> None:
        self.tables: list[tuple[TablePlace, AppTable]] = []
        self.variables: list[tuple[TablePlace, VariableTable]] = []
        self.tenants: list[tuple[TablePlace, TenantTable]] = []
        self.wrong: dict[str, str] = {}
        """Apps of which a variable cannot be used, and why."""

    def add(self, place: TablePlace, table: TenantTable | AppTable | VariableTable) -> None:
        """Take a table that is in order."""
        if isinstance(table, AppTable):
            self.tables.append((place, table))
        elif isinstance(table, VariableTable):
            self.variables.append((place, table))
        else:
            self.tenants.append((place, table))

    @property
    def limits(self) -> dict[str, TenantLimits]:
        """Of the tenants for whom something is set."""
        return {one.tenant: one.limits for _, one in self.tenants if one.limits != NO_LIMITS}

    @property
    def grants(self) -> dict[str, ModuleGrants]:
        """Of the tenants who are granted npm modules."""
        return {one.tenant: one.granted for _, one in self.tenants if one.granted != NO_GRANTS}

    @property
    def webhook_secrets(self) -> dict[str, str]:
        """Of the tenants whose is said."""
        return {one.tenant: one.webhook_secret for _, one in self.tenants if one.webhook_secret is not None}

    def environment(self, app: str) -> dict[str, str]:
        """What the scripts of an app find in ``process.env``."""
        if not app:
            return {}
        return {one.name: one.value for _, one in self.variables if one.app == app and one.value is not None}

    def stored(self, app: str) -> list[Variable]:
        """The variables of an app that have a value."""
        return [
            Variable(
                name=one.name,
                value=one.value,
                protected=one.protected,
                private=one.private,
                locked=one.locked,
                default=one.default,
            )
            for _, one in self.variables
            if one.app == app and one.value is not None
        ]

    def owners(self, scripts: Sequence[ScriptTable]) -> dict[str, str]:
        """The tenant of each app; of one that only scripts name, that of the first of them."""
        owners = {one.id: one.tenant for _, one in reversed(self.tables)}
        for script in scripts:
            if script.app:
                owners.setdefault(script.app, script.tenant)
        for _, variable in self.variables:
            owners.setdefault(variable.app, OPERATOR)
        return owners

    def complaints(self, scripts: Sequence[tuple[TablePlace, ScriptTable]]) -> Iterator[tuple[TablePlace, Complaint]]:
        """What is there twice, and scripts in another tenant's app."""
        ids: set[str] = set()
        for place, app in self.tables:
            if app.id in ids:
                yield place, Complaint(("id",), f"the app {app.id!r} is there already")
            ids.add(app.id)
        names: set[str] = set()
        for place, tenant in self.tenants:
            if tenant.tenant in names:
                yield place, Complaint(("tenant",), f"the tenant {tenant.tenant!r} is there already")
            names.add(tenant.tenant)
        variables: set[tuple[str, str]] = set()
        counts: dict[str, int] = {}
        for place, variable in self.variables:
            if (variable.app, variable.name) in variables:
                message = f"the variable {variable.name!r} of the app {variable.app!r} is there already"
                yield place, Complaint(("name",), message)
            variables.add((variable.app, variable.name))
            counts[variable.app] = counts.get(variable.app, 0) + 1
            if counts[variable.app] == VARIABLES + 1:
                yield place, Complaint((), f"the app {variable.app!r} has more than {VARIABLES:_} variables")
        owners = self.owners([script for _, script in scripts])
        for place, script in scripts:
            if script.app and owners[script.app] != script.tenant:
                message = f"app: {script.app!r} is the tenant {owners[script.app]!r}'s, the script {script.tenant!r}'s"
                yield place, Complaint(("app",), message)
