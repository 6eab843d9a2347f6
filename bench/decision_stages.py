"""What each stage of one decision costs the daemon, measured apart: no socket, no worker, no event loop.

    python bench/decision_stages.py [--size 2048] [--milliseconds 200]

Of each stage the fastest of many short repetitions: what it costs on a quiet processor with warm caches.
"""

import argparse
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

import msgspec

from sandbox import link, messages_down, messages_up
from sandbox.engine import Context
from sandbox.host import Host
from sandbox.outcome import Completion, Returned
from sandbox.program import Invocation
from sandbox.status import Tag
from sidecar.bench import workload
from sidecar.configuration.tree import Configuration, LogSection
from sidecar.decisions.deciding import Decided
from sidecar.decisions.decisions import Decisions
from sidecar.decisions.service import ended_decision
from sidecar.hosts import routing as routing_host
from sidecar.hosts import routing_result
from sidecar.hosts.grants import Grants
from sidecar.logs.logger import open_output
from sidecar.operations.events import Events
from sidecar.operations.metrics import DecisionMetrics
from sidecar.operations.records import DecisionLog, EndedDecision
from sidecar.result_check import look
from sidecar.runs.limits import decision_limits
from sidecar.runs.outcomes import OutcomeName
from sidecar.runs.programs import decision_programs
from sidecar.runs.runner import Running
from sipio.routing import Decision, RoutingRequest, pack_routing
from sipio.rpc import messages
from sipio.rpc.connection import RpcConnection
from sipio.rpc.limits import RpcLimits
from sipio.rpc.messages import RequestReceived
from sipio.rpc.values import ValueDecoder

REPETITION: Final = 20


class _Nobody:
    def cancel(self) -> None:
        """Do nothing: the canned answer was given already."""

    cancel_between_turns = cancel


class CannedRunner:
    """A sandbox that answers every run at once with the same result."""

    def __init__(self, result: bytes) -> None:
        self._completion = Completion(Returned(result), (), 60)

    def submit(self, _invocation: Invocation, done: Callable[[Completion], None], _host: Host | None = None) -> Running:
        done(self._completion)
        return _Nobody()


def fastest(stage: Callable[[], Any], milliseconds: float) -> float:
    """Microseconds of one call, of the fastest repetition."""
    clock = time.perf_counter
    best = float("inf")
    until = clock() + milliseconds / 1000
    while clock() < until:
        began = clock()
        for _ in range(REPETITION):
            stage()
        best = min(best, clock() - began)
    return best / REPETITION * 1e6


def stages(size: int, directory: Path) -> dict[str, Callable[[], Any]]:
    """Each stage by name, in the order of a decision."""
    configuration = Configuration()
    workload.write_catalog(directory / "catalog", 1)
    snapshot = workload.load_catalog(directory / "catalog")
    assignment = snapshot.routes[workload.customer(0), ""]
    program = decision_programs(configuration, Grants()).of(snapshot.scripts[assignment.script_id])
    limits = decision_limits(assignment.timeout_ms / 1000, configuration)
    variables = routing_host.pack_variables(assignment.variables)

    [asked] = workload.requests(1, size)
    params = ({"call_id": "1@192.0.2.1", "customer": asked.customer, "routing": pack_routing(asked.routing)},)
    frame = messages.encode_request(7, "route", params)
    decoder = ValueDecoder(list[RoutingRequest], exact=True)
    raw = cast("RequestReceived", messages.decode_message(frame)).params
    request: RoutingRequest = decoder.decode(raw, "params")[0]

    state = routing_host.initial_state(request.routing)
    packed = routing_host.pack_input(state, variables)
    context = Context(program.suspends)
    context.load(program)
    context.limit_time(10.0)
    status = context.start(packed, "", 0.0)
    assert status.tag is Tag.RETURNED, status
    result = status.payload

    def script() -> None:
        context.start(packed, "", 0.0)

    invocation = Invocation(program=program, input=packed, limits=limits, correlation_id=request.call_id)
    answer_of_worker = link.pack(messages_up.done(7, Tag.RETURNED, result, None, None, 60, 60))
    from_worker = messages_up.unpacker_up()

    def unpack() -> list[Any]:
        from_worker.feed(answer_of_worker)
        return list(from_worker)

    output = open_output(LogSection(), os.open(os.devnull, os.O_WRONLY))
    log, metrics = DecisionLog(LogSection(), output), DecisionMetrics()
    events: Events[EndedDecision] = Events()
    events.subscribe(log.decided)
    events.subscribe(metrics.decided)
    decided: list[Decision] = []

    def ended(one: Decided) -> None:
        events.publish(ended_decision(one), one.request.call_id)

    decisions = Decisions(CannedRunner(result), configuration, snapshot, ended)
    silent = Decisions(CannedRunner(result), configuration, snapshot, lambda _: None)
    decisions.route(request, decided.append)
    decision = decided[0]
    ended_one = EndedDecision(request, decision)
    assert decision.outcome == OutcomeName.RETURNED
    connection = RpcConnection(RpcLimits(), 0.0)

    def receive() -> None:
        connection.receive(frame, 0.0)

    return {
        "socket: split and read the envelope": receive,
        "socket: decode the request": lambda: decoder.decode(raw, "params"),
        "socket: check the routing's shape": lambda: look(request.routing),
        "decide: write the script's input": lambda: routing_host.pack_input(
            routing_host.initial_state(request.routing), variables
        ),
        "link: pack the run": lambda: link.pack(messages_down.run(7, invocation, 2.0, 1, 1e12)),
        "(worker) QuickJS, MessagePack to MessagePack": script,
        "link: unpack and check the answer": unpack,
        "decide: read and check the result": lambda: routing_result.read_result(result, state),
        "decide: all of it, without its observers": lambda: silent.route(request, lambda _: None),
        "record: log line, metrics": lambda: events.publish(ended_one, request.call_id),
        "socket: encode the answer": lambda: messages.encode_response(7, None, decision),
        "(msgspec) decode the result alone": lambda: msgspec.msgpack.decode(result),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--milliseconds", type=float, default=200.0)
    options = parser.parse_args()
    # Whoever reads only the first lines, as head does, has what it wanted.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    with TemporaryDirectory() as directory:
        for name, stage in stages(options.size, Path(directory)).items():
            print(f"{name:45} {fastest(stage, options.milliseconds):8.2f} us", flush=True)


if __name__ == "__main__":
    main()
