"""cxJob: functions that are run later, or again until they come to their end."""

from typing import Any

from sidecar.hosts.errors import HostError
from sidecar.hosts.module import Asker, HostModule, javascript_beside


async def _answer(asker: Asker, method: str, values: list[Any]) -> Any:
    if method in ("setData", "setProgress"):
        # Of a job's run this is `sidecar.hosts.job_host`'s to answer.
        raise HostError(f"{method}: this run is no job")
    jobs, tenant = await asker.services.script_jobs(), asker.tenant
    match method, values:
        case "add", [str(script), str(function), str(data), dict(options)]:
            return await jobs.add(asker.script, script, function, data, options)
        case "progress", [str(job)]:
            return await jobs.progress(tenant, job)
        case "result", [str(job)]:
            return await jobs.result(tenant, job)
    raise HostError(f"{method}: this is no question to the queue", "TypeError")


MODULE = HostModule(name="cxJob", javascript=javascript_beside(__file__), answer=_answer)
