"""cxKV: texts, objects and counters by key, which every run of the tenant shares."""

from typing import Any

from sidecar.hosts.errors import HostError
from sidecar.hosts.key_values.batch import Delete, Get, Increment, Set
from sidecar.hosts.key_values.store import PAGE_KEYS
from sidecar.hosts.module import Asker, HostModule, javascript_beside


async def _answer(asker: Asker, method: str, values: list[Any]) -> Any:
    key_values, tenant = await asker.services.key_values(), asker.tenant
    match method, values:
        case "get", [str(key)]:
            return await key_values.do(Get(tenant, key))
        case "set", [str(key), str(text), int() | float() as life]:
            return await key_values.do(Set(tenant, key, text, life))
        case "del", [str(key)]:
            return await key_values.do(Delete(tenant, key))
        case "incr", [str(key), int() | float() as by, int() | float() as life]:
            if not float(by).is_integer():
                raise HostError("incr counts by a whole number", "TypeError")
            return await key_values.do(Increment(tenant, key, int(by), life))
        case "keys", [str(after)]:
            page = await key_values.page(tenant, after)
            return {"keys": [one.key for one in page], "next": page[-1].key if len(page) == PAGE_KEYS else None}
        case "usage", []:
            space = await key_values.space(tenant)
            limits = key_values.limits.of(tenant)
            return {
                "keys": space.keys,
                "bytes": space.bytes,
                "limit_keys": limits.keys,
                "limit_bytes": limits.bytes,
            }
    raise HostError(f"{method}: a key is a text", "TypeError")


MODULE = HostModule(name="cxKV", javascript=javascript_beside(__file__, "texts"), answer=_answer)
