"""A tenant's carriers: the Driver that each is asked by, and whether that is in earnest."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import delete, insert, select, update

from sidecar.catalog.carriers import Mode
from sidecar.catalog.database.errors import NotAllowed, NotThere, StillUsed, WrongValues
from sidecar.catalog.database.work import Scope, Tagged, Work, count, require_tag
from sidecar.catalog.model import OPERATOR
from sidecar.kind import RULES, Kind
from sidecar.script_name import script_called
from sidecar.storage.tables import numbers, providers, scripts, tenants, versions

PROVIDERS: Final = 1_000
"""Of one tenant."""


class ProviderRecord(Tagged, frozen=True, kw_only=True):
    """A carrier that numbers are bought of."""

    id: str
    script: str
    mode: Mode = Mode.TEST
    company: str = ""


async def list_providers(scope: Scope, *, after: str = "", limit: int = 100) -> Sequence[ProviderRecord]:
    """A tenant's providers by their ids; ``after`` the last of the page before."""
    query = scope.own(providers).where(providers.c.id > after).order_by(providers.c.id).limit(limit)
    return [record_of(row) for row in (await scope.connection.execute(query)).all()]


async def get_provider(scope: Scope, provider: str) -> ProviderRecord:
    """One provider. Raises NotThere."""
    query = scope.own(providers).where(providers.c.id == provider)
    return record_of(await scope.one(query, f"provider {provider!r}"))


async def put_provider(work: Work, wanted: ProviderRecord, *, expected: str | None = None) -> ProviderRecord:
    """Make or change a provider; the same once more changes nothing.

    Which numbers are a tenant's is for the operator to say, and a live provider's Driver says it: the operator alone
    makes one live, and changes one that is. Its script is the tenant's own, or if the operator says so the operator's.
    Raises NotThere, NotAllowed, ChangedMeanwhile, WrongValues.
    """
    own = providers.c.tenant_id == work.tenant_id, providers.c.id == wanted.id
    row = (await work.connection.execute(select(providers).where(*own))).one_or_none()
    before = record_of(row) if row is not None else None
    if before is not None:
        require_tag(f"provider {wanted.id!r}", before, expected)
        if before == wanted:
            return before
    elif expected is not None:
        raise NotThere(f"there is no provider {wanted.id!r}")
    if Mode.LIVE in (wanted.mode, before.mode if before is not None else None) and not work.actor.operator:
        raise NotAllowed("only the operator makes a provider live, or changes one that is")
    await _require_driver(work, wanted.script)
    values = {"script_id": wanted.script, "mode": wanted.mode.value, "company": wanted.company}
    if before is not None:
        await work.connection.execute(update(providers).where(*own).values(**values))
    else:
        if await count(work.connection, work.own(providers)) >= PROVIDERS:
            raise WrongValues([f"there are {PROVIDERS:_} providers already"])
        await work.connection.execute(insert(providers).values(tenant_id=work.tenant_id, id=wanted.id, **values))
    work.audit("provider.make" if before is None else "provider.change", wanted.id, before, wanted)
    return wanted


async def remove_provider(work: Work, provider: str, *, expected: str | None = None) -> None:
    """Take a provider out. Raises NotThere, NotAllowed, ChangedMeanwhile, StillUsed while numbers are of it."""
    before = await get_provider(work, provider)
    require_tag(f"provider {provider!r}", before, expected)
    if before.mode is Mode.LIVE and not work.actor.operator:
        raise NotAllowed("only the operator removes a provider that is live")
    query = work.own(numbers).where(numbers.c.provider_id == provider).limit(1)
    row = (await work.connection.execute(query)).one_or_none()
    if row is not None:
        raise StillUsed(f"provider {provider!r} has numbers: {row.did!r}")
    own = providers.c.tenant_id == work.tenant_id, providers.c.id == provider
    await work.connection.execute(delete(providers).where(*own))
    work.audit("provider.remove", provider, before, None)


async def _require_driver(work: Work, script: str) -> None:
    joined = scripts.join(versions, (versions.c.script_id == scripts.c.id) & (versions.c.number == scripts.c.version))
    query = (
        select(scripts.c.name, versions.c.kind)
        .select_from(joined.join(tenants, tenants.c.id == scripts.c.tenant_id))
        .where(scripts.c.id == script, tenants.c.name.in_({work.tenant, *([OPERATOR] if work.actor.operator else [])}))
    )
    row = await work.one(query, f"script {script!r}")
    kind = Kind(row.kind)
    if kind is not Kind.DRIVER:
        called = script_called(script, row.name or script)
        raise WrongValues([f"script: {called} is {RULES[kind].called}, and a provider is asked by a Driver"])


def record_of(row: Any) -> ProviderRecord:
    """A row as its record."""
    return ProviderRecord(id=row.id, script=row.script_id, mode=Mode(row.mode), company=row.company)
