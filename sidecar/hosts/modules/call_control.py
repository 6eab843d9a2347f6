"""cxCallControl: calls that a script places and follows, those of its tenant that are up, and who is registered."""

from typing import Any

from sidecar.hosts.errors import HostError
from sidecar.hosts.module import Asker, HostModule, javascript_beside
from sidecar.hosts.placed.placing import CallRequest, FollowedCall
from sidecar.kind import Kind


class _Following:
    """A call that the run follows, as what it has open."""

    def __init__(self, call: FollowedCall) -> None:
        self.call = call

    def leave(self) -> None:
        """The run is over."""
        self.call.leave()


async def _answer(asker: Asker, method: str, values: list[Any]) -> Any:
    placed, tenant = asker.services.placed_calls(), asker.tenant
    match method, values:
        case "servers", [list(names)]:
            return await placed.servers(tenant, names)
        case "originate", [str(company), str(server), str(destination), str(cli), str(extension)]:
            request = CallRequest.of(asker.script, company, server, destination, cli, extension)
            call = await placed.place(tenant, request)
            return {"id": call.id, "number": asker.handles.open(_Following(call), _Following.leave)}
        case "next", [int(number)]:
            return await asker.handles.get(number, _Following).call.next()
        case "calls", []:
            return await placed.calls(tenant)
        case "hangup", [str(call_id), cause]:
            return await placed.hang_up(tenant, call_id, cause)
        case "transfer", [str(call_id), str(destination)]:
            return await placed.transfer(tenant, call_id, destination)
        case "registrations", [list(names), None | str() as user]:
            return await placed.registrations(tenant, names, user)
    raise HostError(f"{method}: this is nothing that can be asked of calls", "TypeError")


MODULE = HostModule(
    name="cxCallControl",
    javascript=javascript_beside(__file__, "texts", "refusal"),
    answer=_answer,
    # A Driver speaks with a carrier's API, and with nobody on the phone.
    kinds=frozenset({Kind.APP, Kind.WORKER}),
)
