"""cxRest: the switch's REST API."""

from typing import Any

from sidecar.hosts.errors import HostError
from sidecar.hosts.module import Asker, HostModule, javascript_beside


async def _answer(asker: Asker, method: str, values: list[Any]) -> Any:
    match method, values:
        case "request", [str(user), str(verb), str(path), dict(query), body]:
            return await (await asker.services.rest()).ask(asker.tenant, user, verb, path, query, body)
    raise HostError("this is no request to the REST API", "TypeError")


MODULE = HostModule(name="cxRest", javascript=javascript_beside(__file__), answer=_answer)
