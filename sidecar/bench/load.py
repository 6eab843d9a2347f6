"""A switch that keeps a number of requests in flight over one connection."""

import asyncio
import time
from array import array
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from sidecar.bench.servers import ProcessorTimes, Server
from sidecar.bench.slices import LEAD_SHARE, Slice
from sidecar.bench.workload import DECIDED, Request
from sidecar.errors import SidecarError
from sipio.errors import MalformedMessage, SipioError
from sipio.rpc.client import RpcClient
from sipio.rpc.values import ValueDecoder


class Answered(msgspec.Struct, frozen=True):
    """What a switch needs of an answer, decoded as it would be: the whole routing."""

    action: str
    outcome: str
    routing: dict[str, Any]
    headers: dict[str, Any]


_decode: Final = msgspec.msgpack.Decoder(Answered).decode


class _AnswerDecoder(ValueDecoder):
    """Decodes an answer as a client of the sidecar's would: it sends no text as bin, so that none has to be looked for.
    That takes 20 us of 2 KB, on cores that the daemon and its workers want as well."""

    __slots__ = ()

    def decode(self, data: "bytes | msgspec.Raw", root: str) -> Any:
        """Decode. Raises MalformedMessage."""
        try:
            return _decode(data)
        except (msgspec.MsgspecError, ValueError) as error:
            raise MalformedMessage(f"{root}: {error}") from error


_ANSWER: Final = _AnswerDecoder(Answered)


class Load:
    """Asks one server. One ``measure`` at a time."""

    def __init__(self, server: Server, client: RpcClient) -> None:
        self._server = server
        self._client = client
        self._call = 0

    async def warm(self, requests: Sequence[Request]) -> None:
        """Have each of these decided once, so that every script is loaded. Raises as ``measure``."""
        for request in requests:
            answer = await self._client.call("route", self._params(request), result_type=Answered)
            if answer.outcome != DECIDED:
                raise SidecarError(f"a request was answered {answer.outcome}")

    async def measure(self, requests: Sequence[Request], in_flight: int, seconds: float) -> Slice:
        """Ask for these in turn for so long. Raises SidecarError or SipioError where one is not decided."""
        self._requests = requests
        self._index = 0
        self._latencies = array("d")
        self._finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._first: tuple[float, ProcessorTimes, float] | None = None
        self._last: tuple[float, ProcessorTimes, float] | None = None
        self._left = in_flight
        began = time.perf_counter()
        self._measured_from = began + seconds * LEAD_SHARE
        self._until = began + seconds
        for _ in range(in_flight):
            self._ask(began)
        await self._finished
        first, last = self._first, self._last
        if first is None or last is None:
            # Not one answer between the lead and the end: the slice is too short for this machine.
            return Slice(seconds=seconds, latencies=array("d"), server_cpu=0.0, workers_cpu=0.0, client_cpu=0.0)
        server, workers = last[1].since(first[1])
        return Slice(
            seconds=last[0] - first[0],
            latencies=self._latencies,
            server_cpu=server,
            workers_cpu=workers,
            client_cpu=last[2] - first[2],
        )

    def _snapshot(self, now: float) -> tuple[float, ProcessorTimes, float]:
        return now, self._server.processor_times(), time.process_time()

    def _ask(self, asked: float) -> None:
        requests = self._requests
        request = requests[self._index % len(requests)]
        self._index += 1

        def answered(error: SipioError | None, answer: Answered) -> None:
            self._answered(error, answer, asked)

        self._client.request("route", (self._params(request),), answered, _ANSWER)

    def _params(self, request: Request) -> dict[str, Any]:
        self._call += 1
        return {"call_id": f"{self._call}@192.0.2.1", "customer": request.customer, "routing": request.routing}

    def _answered(self, error: SipioError | None, answer: Answered, asked: float) -> None:
        if error is not None or answer.outcome != DECIDED:
            self._left -= 1
            if not self._finished.done():
                self._finished.set_exception(error or SidecarError(f"a request was answered {answer.outcome}"))
            return
        now = time.perf_counter()
        if now >= self._measured_from and self._last is None:
            if self._first is None:
                self._first = self._snapshot(now)
            else:
                self._latencies.append(now - asked)
                if now >= self._until:
                    self._last = self._snapshot(now)
        if now < self._until:
            self._ask(now)
            return
        self._left -= 1
        if self._left == 0 and not self._finished.done():
            self._finished.set_result(None)
