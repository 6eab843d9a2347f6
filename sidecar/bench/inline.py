"""The same scripts on the same data in QuickJS in this process, MessagePack to MessagePack: the limit."""

import time
from array import array
from collections.abc import Sequence

from sandbox.engine import Context
from sandbox.status import Tag
from sidecar.bench.slices import LEAD_SHARE, Slice
from sidecar.bench.workload import Request
from sidecar.catalog.model import Snapshot
from sidecar.configuration.tree import Configuration
from sidecar.errors import SidecarError
from sidecar.hosts import routing as routing_host
from sidecar.hosts.grants import Grants
from sidecar.runs.limits import decision_limits
from sidecar.runs.programs import decision_programs
from sipio.routing import pack_routing


class Inline:
    """One warm context for each script, as a worker keeps them."""

    def __init__(self, snapshot: Snapshot, requests: Sequence[Request]) -> None:
        configuration = Configuration()
        programs = decision_programs(configuration, Grants())
        self._runs: list[tuple[Context, bytes]] = []
        for request in requests:
            assignment = snapshot.routes[request.customer, ""]
            limits = decision_limits(assignment.timeout_ms / 1000, configuration)
            self._cpu_seconds = limits.cpu_seconds
            program = programs.of(snapshot.scripts[assignment.script_id])
            context = Context(program.suspends)
            context.load(program)
            variables = routing_host.pack_variables(assignment.variables)
            state = routing_host.initial_state(pack_routing(request.routing))
            self._runs.append((context, routing_host.pack_input(state, variables)))

    def measure(self, scripts: int, seconds: float) -> Slice:
        """Run the first so many scripts in turn. Raises SidecarError where one fails."""
        runs = self._runs[:scripts]
        count = len(runs)
        latencies = array("d")
        clock = time.perf_counter
        index = 0
        began = now = clock()
        measured_from = began + seconds * LEAD_SHARE
        until = began + seconds
        cpu = 0.0
        while now < until:
            if not latencies:
                began, cpu = now, time.process_time()
            context, packed = runs[index % count]
            index += 1
            context.limit_time(self._cpu_seconds)
            status = context.start(packed, "", now * 1000)
            if status.tag is not Tag.RETURNED:
                raise SidecarError(f"a script of the benchmark failed: {status.tag} {status.payload[:200]!r}")
            before, now = now, clock()
            if now >= measured_from:
                latencies.append(now - before)
        return Slice(
            seconds=now - began,
            latencies=latencies,
            server_cpu=0.0,
            workers_cpu=0.0,
            client_cpu=time.process_time() - cpu,
        )
