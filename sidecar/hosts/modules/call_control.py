"""cxCallControl: calls that a script places and follows, those of its tenant that are up, and who is registered."""

from typing import Any

from sidecar.hosts.call import hangup
from sidecar.hosts.customer_folders import ActionError
from sidecar.hosts.errors import HostError
from sidecar.hosts.module import Asker, HostModule, javascript_beside
from sidecar.hosts.placed.hearing import Hearing
from sidecar.kind import Kind

SERVERS = 20
"""That one script may name at once."""


async def _answer(asker: Asker, method: str, values: list[Any]) -> Any:
    placed, tenant = asker.services.placed_calls(), asker.tenant
    match method, values:
        case "servers", [list(names)] if len(names) <= SERVERS:
            if not names:
                return placed.servers.names(tenant)
            for name in names:
                placed.servers.of(tenant, str(name))
            return names
        case "originate", [str(company), str(server), str(destination), str(cli), str(extension)]:
            call = await placed.originate(tenant, company, server, destination, cli, extension)
            hearing = call.hearing()
            return {"id": call.id, "number": asker.handles.open(hearing, call.unless_answered)}
        case "next", [int(number)]:
            return await asker.handles.get(number, Hearing).next()
        case "calls", []:
            return placed.described(tenant)
        case "hangup", [str(call_id), cause]:
            try:
                asked = hangup(cause)
            except ActionError as error:
                raise HostError(str(error).removeprefix("ctx."), "TypeError") from None
            placed.find(tenant, call_id).hang_up(asked)
            return None
        case "transfer", [str(call_id), str(destination)]:
            return placed.transfer(tenant, call_id, destination)
        case "registrations", [list(names), None | str() as user]:
            return [one for name in names for one in placed.registrations(tenant, str(name), user)]
    raise HostError(f"{method}: this is nothing that can be asked of calls", "TypeError")


MODULE = HostModule(
    name="cxCallControl",
    javascript=javascript_beside(__file__),
    answer=_answer,
    # A Driver speaks with a carrier's API, and with nobody on the phone.
    kinds=frozenset({Kind.APP, Kind.WORKER}),
)
