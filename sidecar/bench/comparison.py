"""All cases measured in turn, round after round, and put beside each other."""

import asyncio
import gc
import itertools
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sidecar import hosts
from sidecar.bench import report, workload
from sidecar.bench.inline import Inline
from sidecar.bench.load import Load
from sidecar.bench.report import Case, Report
from sidecar.bench.servers import NODE, Server, start_daemon, start_node
from sidecar.bench.slices import Slice

SLICE_SECONDS: Final = 0.5
"""Long enough for a thousand scripts to be asked several times over, short beside what drifts."""
WARM_SECONDS: Final = 3.0
"""Under load before anything is measured: a script is loaded by its own worker when it is first asked for, and by
another only once that has too much to do. Of 1,000 scripts a decision costs the workers 103 us in the first half
second, 80 in the second and 68 after three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure: every combination, for so many seconds each."""

    seconds: float
    workers: Sequence[int]
    scripts: Sequence[int]
    sizes: Sequence[int]
    in_flight: Sequence[int]
    script: workload.OwnScript | None
    """What every customer's script is; None for the one shipped."""
    node: Path | None
    """The program of the Node server; None leaves it out."""


_InlineCase = tuple[int, int]
"""How many scripts there are, and how large the routing data is."""


@dataclass(frozen=True, slots=True)
class _Subject:
    server: Server
    load: Load


async def compare(plan: Plan) -> Report:
    """Start the servers, measure, end them. Raises SidecarError where one does not serve or decide."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scriptforge-bench-")))
        catalog = directory / "catalog"
        workload.write_catalog(catalog, max(plan.scripts), plan.script)
        servers: list[Server] = []
        for count in plan.workers:
            servers.append(start_daemon(count, directory, catalog))
            stack.callback(servers[-1].close)
        if plan.node is not None:
            adapter = directory / "class4.js"
            adapter.write_text(hosts.source("routing"), encoding="utf-8")
            servers.append(start_node(plan.node, directory, catalog, adapter))
            stack.callback(servers[-1].close)
        snapshot = await asyncio.to_thread(workload.load_catalog, catalog)
        subjects: list[_Subject] = []
        for server in servers:
            client = await server.connect()
            stack.push_async_callback(client.close)
            subjects.append(_Subject(server, Load(server, client)))
        inline = {size: Inline(snapshot, workload.requests(max(plan.scripts), size)) for size in plan.sizes}
        return await _measure(plan, inline, subjects)


async def _measure(plan: Plan, inline: Mapping[int, Inline], subjects: Sequence[_Subject]) -> Report:
    requests = {size: workload.requests(max(plan.scripts), size) for size in plan.sizes}
    rounds = max(1, round(plan.seconds / SLICE_SECONDS))
    seconds = plan.seconds / rounds
    for subject in subjects:
        await subject.load.warm(requests[plan.sizes[0]])
        await subject.load.measure(requests[plan.sizes[0]], max(plan.in_flight), WARM_SECONDS)
    limits: dict[_InlineCase, list[Slice]] = defaultdict(list)
    slices: dict[tuple[Server, Case], list[Slice]] = defaultdict(list)
    cases = [Case(*case) for case in itertools.product(plan.scripts, plan.sizes, plan.in_flight)]
    # A collection of the client's own, of thousands of contexts and requests that stay, is not what is measured.
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        for scripts, size in itertools.product(plan.scripts, plan.sizes):
            limits[scripts, size].append(inline[size].measure(scripts, seconds))
        for case, subject in itertools.product(cases, subjects):
            subject.server.between_slices()
            measured = await subject.load.measure(requests[case.size][: case.scripts], case.in_flight, seconds)
            slices[subject.server, case].append(measured)
    node = next((subject.server for subject in subjects if subject.server.name == NODE), None)
    return Report(
        machine=report.machine(),
        seconds=plan.seconds,
        rounds=rounds,
        inline=[report.limit(*case, found) for case, found in limits.items()],
        cells=[
            report.cell(
                subject.server,
                case,
                slices[subject.server, case],
                limits[case.scripts, case.size],
                slices.get((subject.server, case._replace(scripts=1))) if case.scripts != 1 else None,
                slices[node, case] if node is not None and node is not subject.server else None,
            )
            for subject, case in itertools.product(subjects, cases)
        ],
    )
