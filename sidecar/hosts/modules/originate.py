"""cxOriginate: a call from one party to another, which a script places."""

from typing import Any

from sidecar.hosts.errors import HostError
from sidecar.hosts.module import Asker, HostModule, javascript_beside
from sidecar.hosts.placed.placing import CallRequest, FollowedCall
from sidecar.kind import Kind


async def _answer(asker: Asker, method: str, values: list[Any]) -> Any:
    match method, values:
        case "originate", [str(company), str(server), str(destination), str(cli), str(extension)]:
            placing = asker.services.placed_calls()
            request = CallRequest.of(asker.script, company, server, destination, cli, extension)
            call = await placing.place(asker.tenant, request)
            try:
                return await _outcome(call)
            finally:
                # Nobody waits any more where the run has ended, or was cancelled.
                call.leave()
    raise HostError("originate(company, server, destination, cli, extension)", "TypeError")


async def _outcome(call: FollowedCall) -> dict[str, Any]:
    """Its id once its party has answered; else the SIP status and the reason."""
    while (events := await call.next()) is not None:
        for name, detail in events:
            if name == "answered":
                return {"id": call.id}
            if name == "ended":
                return {"refused": [detail["code"], detail["reason"]]}
    raise HostError("the call ended and nobody said why")


MODULE = HostModule(
    name="cxOriginate",
    javascript=javascript_beside(__file__, "texts", "refusal"),
    answer=_answer,
    # A Driver speaks with a carrier's API, and with nobody on the phone.
    kinds=frozenset({Kind.APP, Kind.WORKER}),
)
