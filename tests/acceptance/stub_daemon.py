"""Stands in for the daemon: the same evapi client, and what each script of ``scripts/`` decides, in Python."""

import asyncio
import copy
import sys
from collections.abc import Callable
from typing import Any

from sipio.evapi import CallEnded, EvapiClient
from sipio.routing import Action, Decision, HeaderChanges, RoutingRequest


def _headers(routing: dict[str, Any]) -> Decision:
    for destination in routing["egress_routing"]:
        destination["headers"] = [{"key": "X-Gateway", "value": next(iter(destination["gw"]))}]
    changes = HeaderChanges(add=[("X-Route", "gold")], remove=["X-Secret", "Subject"])
    return Decision(action=Action.ROUTE, routing=routing, headers=changes)


def _caller_id(routing: dict[str, Any]) -> Decision:
    return Decision(action=Action.ROUTE, routing={**routing, "cli": "15559990000", "dest_number": "4930111"})


def _second_first(routing: dict[str, Any]) -> Decision:
    routing["egress_routing"].reverse()
    first = routing["egress_routing"][0]["gw"]
    next(iter(first.values()))["cli"] = "15558880000"
    return Decision(action=Action.ROUTE, routing=routing)


def _invents(routing: dict[str, Any]) -> Decision:
    routing["egress_routing"].insert(0, {"gw": {"gw-evil": {"cli": "1", "uri": "sip:127.0.0.66:5060"}}})
    return Decision(action=Action.ROUTE, routing=routing)


def _reject(code: int, reason: str) -> Callable[[dict[str, Any]], Decision]:
    return lambda routing: Decision(action=Action.REJECT, code=code, reason=reason, routing=routing)


_SCRIPTS: dict[str, tuple[float, Callable[[dict[str, Any]], Decision]]] = {
    "headers": (0.0, _headers),
    "not_found": (0.0, _reject(404, "Not Found")),
    "declined": (0.0, _reject(603, "Declined By Script")),
    "caller_id": (0.0, _caller_id),
    "second_first": (0.0, _second_first),
    "invents": (0.0, _invents),
    "endless": (0.3, _reject(503, "Script Timeout")),
    "slow": (1.5, lambda routing: Decision(action=Action.ROUTE, routing=routing)),
}


class _Pending:
    def __init__(self, handle: asyncio.TimerHandle | None, call_id: str) -> None:
        self._handle = handle
        self._call_id = call_id

    def cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        print(f"cancelled call_id={self._call_id}", flush=True)  # noqa: T201


class _Router:
    def route(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> _Pending:
        print(f"asked customer={request.customer} did={request.did}", flush=True)  # noqa: T201
        script = _SCRIPTS.get(request.customer)
        routing = copy.deepcopy(request.routing)
        if script is None:
            answer(Decision(action=Action.ROUTE, routing=routing))
            return _Pending(None, request.call_id)
        seconds, decide = script
        if not seconds:
            answer(decide(routing))
            return _Pending(None, request.call_id)
        handle = asyncio.get_running_loop().call_later(seconds, lambda: answer(decide(routing)))
        return _Pending(handle, request.call_id)


def _ended(peer: str, ended: CallEnded) -> None:
    print(f"ended peer={peer} {ended}", flush=True)  # noqa: T201


async def _serve(peers: list[str]) -> None:
    client = EvapiClient(peers, _Router(), on_call_ended=_ended)
    client.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1:]))
