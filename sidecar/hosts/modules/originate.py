"""cxOriginate: a call from one party to another, which a script places."""

import asyncio
from typing import Any

from sidecar.hosts.errors import HostError
from sidecar.hosts.module import Asker, HostModule, javascript_beside
from sidecar.kind import Kind


async def _answer(asker: Asker, method: str, values: list[Any]) -> Any:
    match method, values:
        case "originate", [str(company), str(server), str(destination), str(cli), str(extension)]:
            placed = asker.services.placed_calls()
            call = await placed.originate(asker.tenant, company, server, destination, cli, extension)
            try:
                await asyncio.wait([call.outcome])
            finally:
                # Nobody waits any more where the run has ended, or was cancelled.
                call.unless_answered()
            refused = call.outcome.result()
            return {"id": call.id} if refused is None else {"refused": refused}
    raise HostError("originate(company, server, destination, cli, extension)", "TypeError")


MODULE = HostModule(
    name="cxOriginate",
    javascript=javascript_beside(__file__),
    answer=_answer,
    # A Driver speaks with a carrier's API, and with nobody on the phone.
    kinds=frozenset({Kind.APP, Kind.WORKER}),
)
