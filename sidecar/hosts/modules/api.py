"""api.lookup and api.send: older names of what other modules do, and lookups of numbers at the operator's services."""

from typing import Any

from sidecar.hosts.errors import HostError
from sidecar.hosts.module import Asker, HostModule, javascript_beside
from sidecar.hosts.modules.send import MODULE as SEND


async def _answer(asker: Asker, method: str, values: list[Any]) -> Any:
    match method, values:
        case "lookup", [str(name), str(number)]:
            return await (await asker.services.lookups()).ask(asker.tenant, name, number)
        case "row", [str(name), str(key)]:
            return await (await asker.services.rows()).read(asker.tenant, name, key)
        case (("email" | "sms"), _):
            return await SEND.answer(asker, method, values)
    raise HostError(f"api: there is no {method[:40]!r}", "TypeError")


MODULE = HostModule(name="api", javascript=javascript_beside(__file__, "texts"), answer=_answer, globals=("api",))
