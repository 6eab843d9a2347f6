"""cxUserspace: the tenant's databases of rows."""

from typing import Any

from sidecar.hosts.errors import HostError
from sidecar.hosts.module import Asker, HostModule, javascript_beside
from sidecar.hosts.rows.model import ANSWER_CHARACTERS


async def _answer(asker: Asker, method: str, values: list[Any]) -> Any:
    rows, tenant = await asker.services.rows(), asker.tenant
    match method, values:
        case "create", [str(name), str(key), row]:
            return await rows.create(tenant, name, key, row)
        case "read", [str(name), str(key)]:
            return await rows.read(tenant, name, key)
        case "update", [str(name), str(key), row]:
            return await rows.update(tenant, name, key, row)
        case "delete", [str(name), str(key)]:
            return await rows.delete(tenant, name, key)
        case "find", [str(name), dict(wanted), int(limit), int(offset)] if limit >= 0 and offset >= 0:
            return await rows.find(tenant, name, wanted, limit=limit, offset=offset, most=ANSWER_CHARACTERS)
        case "random", [str(name), dict(wanted)]:
            return await rows.random(tenant, name, wanted)
        case "sql", [str(statement), dict(parameters)]:
            return await rows.sql(tenant, statement, parameters)
    raise HostError(f"{method}: this is no question to a database", "TypeError")


MODULE = HostModule(name="cxUserspace", javascript=javascript_beside(__file__, "texts"), answer=_answer)
