"""What was measured, as numbers and as a table."""

import platform
from collections.abc import Sequence
from os import cpu_count
from typing import NamedTuple

import msgspec

from sidecar.bench.servers import Server
from sidecar.bench.slices import Slice, median_rate, median_ratio, per_request, percentile


class Case(NamedTuple):
    """What a server is asked."""

    scripts: int
    """Different ones, asked in turn."""
    size: int
    """Bytes of the routing as JSON."""
    in_flight: int


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """QuickJS alone, in one process on one core."""

    scripts: int
    size: int
    requests_per_second: float
    p50_us: float
    p99_us: float


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One case of one server. Ratios are medians over rounds in which both sides were measured."""

    server: str
    workers: int
    scripts: int
    size: int
    in_flight: int
    requests_per_second: float
    p50_us: float
    p99_us: float
    of_inline: float
    """Requests a second as a share of the same scripts inline."""
    of_one_script: float
    """Requests a second as a share of one script with the same server; 0 where one was not measured."""
    of_node: float
    """Requests a second as a share of Node's in the same case; 0 where that was not measured."""
    server_cpu_us: float
    """Processor time of the server a request, its workers apart."""
    workers_cpu_us: float
    client_cpu_us: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the benchmark."""

    machine: str
    seconds: float
    rounds: int
    inline: list[Limit]
    cells: list[Cell]


def machine() -> str:
    """Where it was measured."""
    system = f"{platform.system()} {platform.release()}"
    return f"{cpu_count()} cores, {platform.machine()}, {system}, Python {platform.python_version()}"


def limit(scripts: int, size: int, slices: Sequence[Slice]) -> Limit:
    """The row of an inline case."""
    return Limit(
        scripts=scripts,
        size=size,
        requests_per_second=round(median_rate(slices), 1),
        p50_us=round(percentile(slices, 0.5) * 1e6, 1),
        p99_us=round(percentile(slices, 0.99) * 1e6, 1),
    )


def cell(
    server: Server,
    case: Case,
    slices: Sequence[Slice],
    inline: Sequence[Slice],
    one_script: Sequence[Slice] | None,
    node: Sequence[Slice] | None,
) -> Cell:
    """The row of a server's case."""
    return Cell(
        server=server.name,
        workers=server.workers,
        scripts=case.scripts,
        size=case.size,
        in_flight=case.in_flight,
        requests_per_second=round(median_rate(slices), 1),
        p50_us=round(percentile(slices, 0.5) * 1e6, 1),
        p99_us=round(percentile(slices, 0.99) * 1e6, 1),
        of_inline=round(median_ratio(slices, inline), 3),
        of_one_script=round(median_ratio(slices, one_script), 3) if one_script is not None else 0.0,
        of_node=round(median_ratio(slices, node), 3) if node is not None else 0.0,
        server_cpu_us=round(per_request([one.server_cpu for one in slices], slices) * 1e6, 1),
        workers_cpu_us=round(per_request([one.workers_cpu for one in slices], slices) * 1e6, 1),
        client_cpu_us=round(per_request([one.client_cpu for one in slices], slices) * 1e6, 1),
    )


def table(report: Report) -> str:
    """The report for a terminal."""
    lines = [
        f"{report.machine}; {report.rounds} rounds, {report.seconds:g} s a case",
        f"{'':8} {'':7} {'':7} {'':5} {'in':6} {'requests':>9} {'p50':>8} {'p99':>8} {'of':>7} {'of one':>7} {'of':>6}"
        f" {'CPU us a request':>26}",
        f"{'':8} {'workers':7} {'scripts':7} {'bytes':5} {'flight':6} {'/s':>9} {'us':>8} {'us':>8} {'inline':>7}"
        f" {'script':>7} {'node':>6} {'server':>8} {'workers':>8} {'client':>8}",
    ]
    lines += [
        f"{'inline':8} {'':7} {one.scripts:7} {one.size:5} {'':6} {one.requests_per_second:9.0f}"
        f" {one.p50_us:8.0f} {one.p99_us:8.0f}"
        for one in report.inline
    ]
    lines += [
        f"{one.server:8} {one.workers or '-':>7} {one.scripts:7} {one.size:5} {one.in_flight:6}"
        f" {one.requests_per_second:9.0f} {one.p50_us:8.0f} {one.p99_us:8.0f} {one.of_inline:7.2f}"
        f" {f'{one.of_one_script:.2f}' if one.of_one_script else '-':>7}"
        f" {f'{one.of_node:.2f}' if one.of_node else '-':>6}"
        f" {one.server_cpu_us:8.0f} {one.workers_cpu_us:8.0f} {one.client_cpu_us:8.0f}"
        for one in report.cells
    ]
    return "\n".join(lines)
