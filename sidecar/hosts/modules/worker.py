"""cxWorker: messages to Workers, each of which has them one by one."""

from typing import Any

from sidecar.hosts.errors import HostError
from sidecar.hosts.module import Asker, HostModule, javascript_beside


async def _answer(asker: Asker, method: str, values: list[Any]) -> Any:
    jobs = await asker.services.script_jobs()
    match method, values:
        case "send", [str(script), str(data)]:
            return await jobs.send(asker.script, script, data)
    raise HostError(f"{method}: this is no question to a mailbox", "TypeError")


MODULE = HostModule(name="cxWorker", javascript=javascript_beside(__file__), answer=_answer)
