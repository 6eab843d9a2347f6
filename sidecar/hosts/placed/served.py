"""Placed calls for the platform: runs over HTTP are in a process of their own, and the daemon carries the calls."""

import asyncio
import logging
from typing import Any

import msgspec

from sidecar.hosts.errors import HostError
from sidecar.hosts.placed.placing import CallPlacing, CallRequest, FollowedCall
from sipio.rpc.peer import RpcPeer
from sipio.rpc.service import Method, Responder

logger = logging.getLogger(__name__)

PLACED = "placed.ask"


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question, of `CallPlacing` or about a call that was placed by this connection."""

    tenant: str
    what: str
    values: list[Any] = []


class Answered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of it; ``refused`` and ``name`` are those of a HostError."""

    value: Any = None
    refused: str = ""
    name: str = ""


class PlacedService:
    """The method by which the platform asks."""

    def __init__(self, placing: CallPlacing) -> None:
        self._placing = placing
        self._followed: dict[tuple[RpcPeer, str], FollowedCall | None] = {}
        """By who asked and the name that it gave; None while it is being placed."""
        self._peers: set[RpcPeer] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.methods = {PLACED: Method(list[Asked], self._ask)}

    def _ask(self, params: list[Asked], responder: Responder) -> None:
        asked = params[0] if params else Asked(tenant="", what="")
        if responder.peer not in self._peers:
            peer = responder.peer
            self._peers.add(peer)
            peer.ended.add_done_callback(lambda _: self._peer_ended(peer))
        if asked.what == "leave":
            self._leave((responder.peer, str(asked.values[0]) if asked.values else ""))
            responder.result(Answered())
            return
        if asked.what == "place" and asked.values:
            # Here, so that a `leave` that comes next finds it.
            self._followed[responder.peer, str(asked.values[0])] = None
        task = asyncio.get_running_loop().create_task(self._answer(asked, responder))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        responder.on_cancel = lambda: _cancel(task)

    async def _answer(self, asked: Asked, responder: Responder) -> None:
        try:
            answer = Answered(value=await self._of(asked, responder.peer))
        except HostError as error:
            answer = Answered(refused=str(error), name=error.name)
        except asyncio.CancelledError:
            answer = Answered(refused="the connection is gone")
        except Exception:
            logger.exception("placed_call_not_asked", extra={"what": asked.what[:40]})
            answer = Answered(refused="the host failed")
        responder.result(answer)

    async def _of(self, asked: Asked, peer: RpcPeer) -> Any:
        placing, tenant = self._placing, asked.tenant
        match asked.what, asked.values:
            case "servers", [list(names)]:
                return await placing.servers(tenant, names)
            case "place", [str(name), dict(request)]:
                return await self._place((peer, name), tenant, request)
            case "next", [str(name)]:
                followed = self._followed.get((peer, name))
                return await followed.next() if followed is not None else None
            case "calls", []:
                return await placing.calls(tenant)
            case "hang_up", [str(call_id), cause]:
                return await placing.hang_up(tenant, call_id, cause)
            case "transfer", [str(call_id), str(destination)]:
                return await placing.transfer(tenant, call_id, destination)
            case "registrations", [list(names), None | str() as user]:
                return await placing.registrations(tenant, names, user)
        raise HostError(f"{asked.what[:40]}: this is nothing that can be asked of calls", "TypeError")

    async def _place(self, key: tuple[RpcPeer, str], tenant: str, request: dict[Any, Any]) -> str:
        try:
            followed = await self._placing.place(tenant, _call_of(request))
        except BaseException:
            self._followed.pop(key, None)
            raise
        if key not in self._followed:
            followed.leave()
        else:
            self._followed[key] = followed
        return followed.id

    def _leave(self, key: tuple[RpcPeer, str]) -> None:
        followed = self._followed.pop(key, None)
        if followed is not None:
            followed.leave()

    def _peer_ended(self, peer: RpcPeer) -> None:
        self._peers.discard(peer)
        for key in [key for key in self._followed if key[0] is peer]:
            self._leave(key)


def _call_of(request: dict[Any, Any]) -> CallRequest:
    try:
        return msgspec.convert(request, CallRequest)
    except msgspec.ValidationError as error:
        raise HostError(f"no call can be placed so: {error}", "TypeError") from None


def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
