"""What scripts keep by key, as they have it in cxKV."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from sidecar.catalog.database.errors import NotThere
from sidecar.hosts.key_values.batch import Delete, Get, Set
from sidecar.http.asking import Asking
from sidecar.http.kept_shapes import KeyEntry, KeySpace, KeyValue, KeyValueBody
from sidecar.http.pages import page
from sidecar.http.shapes import AfterKey, KeyInPath, Limit, Page

router = APIRouter(tags=["key-values"])


@router.get("/kv")
async def read_usage(asked: Asking) -> KeySpace:
    """How much a tenant keeps, and may. What has ended counts for some seconds more."""
    tenant = await asked.require("read")
    key_values = await asked.platform.services.key_values()
    space, limits = await key_values.space(tenant), key_values.limits.of(tenant)
    return KeySpace(keys=space.keys, bytes=space.bytes, limit_keys=limits.keys, limit_bytes=limits.bytes)


@router.get("/kv/keys")
async def list_keys(asked: Asking, after: AfterKey = "", limit: Limit = 100) -> Page[KeyEntry]:
    """A tenant's keys, in an order that stays."""
    tenant = await asked.require("read")
    found = await (await asked.platform.services.key_values()).page(tenant, after, limit + 1)
    shown = page(found, limit, lambda one: one.key)
    shown.items = [KeyEntry.model_validate(one) for one in shown.items]
    return shown


@router.get("/kv/keys/{key:path}")
async def get_value(asked: Asking, key: KeyInPath) -> KeyValue:
    """What a key has: a text, a counter's number, or what `ko` keeps as JSON."""
    tenant = await asked.require("read")
    value = await (await asked.platform.services.key_values()).do(Get(tenant, key))
    if value is None:
        raise _not_there(key)
    return KeyValue(key=key, value=str(value))


@router.put("/kv/keys/{key:path}", responses={201: {"model": KeyValue}})
async def put_value(asked: Asking, key: KeyInPath, body: KeyValueBody, response: Response) -> KeyValue:
    """Have a key keep a text, whatever it had. Scripts write keys at any time: there is no ETag."""
    tenant = await asked.require("write")
    key_values = await asked.platform.services.key_values()
    if await key_values.do(Get(tenant, key)) is None:
        response.status_code = HTTPStatus.CREATED
    await key_values.do(Set(tenant, key, body.value, body.life_seconds))
    return KeyValue(key=key, value=body.value)


@router.delete("/kv/keys/{key:path}", status_code=HTTPStatus.NO_CONTENT)
async def remove_value(asked: Asking, key: KeyInPath) -> None:
    """Keep a key no more."""
    tenant = await asked.require("write")
    key_values = await asked.platform.services.key_values()
    if await key_values.do(Get(tenant, key)) is None:
        raise _not_there(key)
    await key_values.do(Delete(tenant, key))


def _not_there(key: str) -> NotThere:
    return NotThere(f"there is no key {key[:60]!r}")
