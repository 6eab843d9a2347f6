"""A tenant's webhooks: what is told of which events; and the secret that it is signed with."""

import base64
import os
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import delete, insert, select, update

from sidecar.catalog.database.errors import NotThere, WrongValues
from sidecar.catalog.database.script_uses import current_script, require_function
from sidecar.catalog.database.work import Scope, Tagged, Work, count, require_tag
from sidecar.catalog.webhook_secret import SECRET_BYTES, SECRET_PREFIX
from sidecar.event_name import EventName
from sidecar.kind import MAIN
from sidecar.storage.tables import scripts, webhook_secrets, webhooks

WEBHOOKS: Final = 10
"""Of one tenant: every event is told to each, and a run has the ids of all."""
MICROS: Final = 1_000_000


class WebhookRecord(Tagged, frozen=True, kw_only=True):
    """A webhook: it has an address, or a script."""

    name: str
    events: Sequence[EventName]
    url: str | None = None
    script: str | None = None
    """Its id: the function is begun as a job, with the event as its data."""
    function: str = MAIN
    only: str | None = None
    """The id of the script whose events alone it is told of."""


class SecretState(msgspec.Struct, frozen=True, kw_only=True):
    """What may be known of a tenant's secret."""

    created: int
    """Microseconds since 1970, as all times."""
    previous_until: int | None = None
    """Until when what is sent is signed with the one before as well."""


async def list_webhooks(scope: Scope) -> Sequence[WebhookRecord]:
    """A tenant's webhooks by their names."""
    rows = (await scope.connection.execute(scope.own(webhooks).order_by(webhooks.c.name))).all()
    return [_record(row) for row in rows]


async def get_webhook(scope: Scope, name: str) -> WebhookRecord:
    """One webhook. Raises NotThere."""
    return _record(await scope.one(scope.own(webhooks).where(webhooks.c.name == name), f"webhook {name!r}"))


async def put_webhook(
    work: Work, wanted: WebhookRecord, *, expected: str | None = None, unsigned: bool = False
) -> WebhookRecord:
    """Make or change a webhook. ``unsigned`` is for one that waits until there is a secret to sign with. Raises
    ChangedMeanwhile, NotThere, WrongValues."""
    if (wanted.url is None) == (wanted.script is None):
        raise WrongValues(["a webhook has either url or script"])
    if wanted.only is not None:
        await work.one(work.own(scripts).where(scripts.c.id == wanted.only), f"script {wanted.only!r}")
    if wanted.script is not None:
        require_function(await current_script(work, wanted.script), wanted.function)
    if wanted.url is not None and not unsigned and await _secret(work) is None:
        raise WrongValues(["there is no secret to sign with yet: make one first (scriptforge webhooks rotate)"])
    own = webhooks.c.tenant_id == work.tenant_id, webhooks.c.name == wanted.name
    row = (await work.connection.execute(select(webhooks).where(*own))).one_or_none()
    values = {
        "url": wanted.url,
        "script": wanted.script,
        "function": wanted.function,
        "only": wanted.only,
        "events": " ".join(sorted({event.value for event in wanted.events})),
    }
    before = None if row is None else _record(row)
    if before is not None:
        require_tag(f"webhook {wanted.name!r}", before, expected)
        await work.connection.execute(update(webhooks).where(*own).values(**values))
    else:
        if expected is not None:
            raise NotThere(f"there is no webhook {wanted.name!r}")
        if await count(work.connection, work.own(webhooks)) >= WEBHOOKS:
            raise WrongValues([f"there are {WEBHOOKS} webhooks already"])
        made = {"id": os.urandom(16).hex(), "tenant_id": work.tenant_id, "name": wanted.name}
        await work.connection.execute(insert(webhooks).values(**made, **values, created=work.change.now))
    after = await get_webhook(work, wanted.name)
    if before != after:
        work.audit("webhook.set", wanted.name, before, after)
    return after


async def remove_webhook(work: Work, name: str, *, expected: str | None = None) -> None:
    """Take a webhook out; what waits to be told to it fails. Raises NotThere, ChangedMeanwhile."""
    before = await get_webhook(work, name)
    require_tag(f"webhook {name!r}", before, expected)
    own = webhooks.c.tenant_id == work.tenant_id, webhooks.c.name == name
    await work.connection.execute(delete(webhooks).where(*own))
    work.audit("webhook.remove", name, before, None)


async def get_secret(scope: Scope) -> SecretState:
    """What may be known of the secret. Raises NotThere."""
    row = await _secret(scope)
    if row is None:
        raise NotThere("there is no secret to sign webhooks with yet")
    return _state(row)


async def rotate_secret(work: Work, previous_seconds: int) -> tuple[str, SecretState]:
    """Make a secret, which is told this once. The one before is signed with as well for some seconds more, and the one
    before that no longer."""
    row = await _secret(work)
    secret = base64.b64encode(os.urandom(SECRET_BYTES)).decode()
    values = {"secret": secret, "created": work.change.now, "previous": None, "previous_until": None}
    if row is None:
        await work.connection.execute(insert(webhook_secrets).values(tenant_id=work.tenant_id, **values))
    else:
        if previous_seconds:
            until = work.change.now + previous_seconds * MICROS
            values |= {"previous": row.secret, "previous_until": until}
        own = webhook_secrets.c.tenant_id == work.tenant_id
        await work.connection.execute(update(webhook_secrets).where(own).values(**values))
    made = await get_secret(work)
    work.audit("webhook.secret", "rotate", None if row is None else _state(row), made)
    return SECRET_PREFIX + secret, made


async def put_secret(work: Work, secret: str) -> None:
    """Sign with a secret from now on (`sidecar.catalog.webhook_secret`), and with no other one; the same once more
    changes nothing."""
    row = await _secret(work)
    values = {"secret": secret.removeprefix(SECRET_PREFIX), "created": work.change.now}
    values |= {"previous": None, "previous_until": None}
    if row is None:
        await work.connection.execute(insert(webhook_secrets).values(tenant_id=work.tenant_id, **values))
    elif row.secret != values["secret"]:
        own = webhook_secrets.c.tenant_id == work.tenant_id
        await work.connection.execute(update(webhook_secrets).where(own).values(**values))
    else:
        return
    work.audit("webhook.secret", "import", None if row is None else _state(row), await get_secret(work))


async def _secret(scope: Scope) -> Any:
    return (await scope.connection.execute(scope.own(webhook_secrets))).one_or_none()


def _state(row: Any) -> SecretState:
    return SecretState(created=row.created, previous_until=row.previous_until)


def _record(row: Any) -> WebhookRecord:
    return WebhookRecord(
        name=row.name,
        events=[EventName(event) for event in row.events.split()],
        url=row.url,
        script=row.script,
        function=row.function,
        only=row.only,
    )
