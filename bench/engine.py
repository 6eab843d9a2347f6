"""All that is wanted of the engine, in one run: decisions, scripts that wait, calls, a worker's death, Kamailio.

    python -m bench.engine [--seconds 4] [--first] [--json FILE] [decisions | waiting | calls | killed | kamailio ...]

Needs root (the memory of confined workers), SIPp, Kamailio, and `npm ci` in bench/node. Takes some seven minutes. Each
section says the machine's load before it. On a machine that has other work only the ratios and, less so, the processor
times say anything; with --first what is measured comes before that, as far as that goes.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import uvloop

from bench import kamailio, killed_worker, sections, suspended, voice
from bench.goals import Found, Goal, machine_load
from bench.sections import Section
from bench.voice_far_end import far_end
from sidecar.bench import report
from sidecar.bench.comparison import Plan, compare
from sidecar.bench.report import Cell
from sidecar.cli.bench import NODE_PROGRAM

WORKERS: Final = 2
SMALL: Final = 2_048
LARGE: Final = 10_240
MANY: Final = 1_000
IN_FLIGHT: Final = 64
SETUP_RATES: Final = (500, 100)
BRIDGED_RATE: Final = 100
"""Set-ups a second; each call has two."""
FULL_DUPLEX_CALLS: Final = 300
KILLS: Final = 50
WAITING: Final = 1_000
MANY_WAITING: Final = 10_000
KAMAILIO_CALLS: Final = {1_000: 3_000, 100: 500}
"""Calls of a round by their rate."""
KAMAILIO_ROUNDS: Final = 3

ONE_TO_NODE: Final = Goal("2 KB, one script, 64 in flight, against isolated-vm", "0.8", 1.3, at_least=True)
MANY_TO_NODE: Final = Goal("2 KB, 1,000 scripts, 64 in flight, against isolated-vm", "1.4", 2.5, at_least=True)
DAEMON_SMALL: Final = Goal("daemon, us a decision, 2 KB, 64 in flight", "61 to 88", 35)
DAEMON_LARGE: Final = Goal("daemon, us a decision, 10 KB, 64 in flight", "300", 90)
WORKER_ONE: Final = Goal("worker, us a decision, 2 KB, one script", "105", 62)
WORKER_MANY: Final = Goal("worker, us a decision, 2 KB, 1,000 scripts", "200", 70)
ALONE_TO_NODE: Final = Goal("2 KB, one in flight, against isolated-vm", "0.6", 0.75, at_least=True)
WAITING_MEMORY: Final = Goal("a waiting script, kB all told", "280", 40)
MANY_WAITING_MEMORY: Final = Goal("10,000 waiting scripts, GB", "2.8", 0.5)
BEGINNING: Final = Goal("beginning one, us of worker", "400", 120)
THERE_AND_BACK: Final = Goal("a waiting script goes on, there and back, p50 us", "94 to 134", 100)
SETUPS: Final = {
    500: Goal("set-up to BYE with a script, ms of processor a call, at 500/s", "1.5", 0.9),
    100: Goal("set-up to BYE with a script, ms of processor a call, at 100/s", "2.3", 1.5),
}
BRIDGED: Final = Goal("bridged call, ms of processor a call, at 50/s", "2.9", 2.0)
FULL_DUPLEX: Final = Goal("full duplex, ms of processor a call-second, 300 calls", "0.67", 0.45)
KILLED: Final = Goal("worker killed: whole again, p50 ms", "90 to 150", 10)
SIDECAR: Final = {
    1_000: Goal("Kamailio, 1,000 calls/s: sidecar and workers, us a call", "154", 100),
    100: Goal("Kamailio, 100 calls/s: sidecar and workers, us a call", "360", 220),
}
KAMAILIO: Final = {
    1_000: Goal("Kamailio, 1,000 calls/s: its own time against alone", "1.17", 1.15),
    100: Goal("Kamailio, 100 calls/s: its own time against alone", "1.27", 1.15),
}


def decisions(seconds: float) -> list[Found]:
    """Client, daemon, workers and isolated-vm in turn."""
    if not (NODE_PROGRAM.parent / "node_modules").is_dir():
        sys.exit(f"isolated-vm is not installed: run `npm ci` in {NODE_PROGRAM.parent}")
    load = machine_load()
    plan = Plan(
        seconds=seconds,
        workers=[WORKERS],
        scripts=[1, MANY],
        sizes=[SMALL, LARGE],
        in_flight=[1, IN_FLIGHT],
        script=None,
        node=NODE_PROGRAM,
    )
    measured = uvloop.run(compare(plan))
    print(report.table(measured))
    cells = {(one.scripts, one.size, one.in_flight): one for one in measured.cells if one.server == "daemon"}

    def found(goal: Goal, case: tuple[int, int, int], value: Callable[[Cell], float]) -> Found:
        return Found(goal, value(cells[case]), load)

    return [
        found(ONE_TO_NODE, (1, SMALL, IN_FLIGHT), lambda cell: cell.of_node),
        found(MANY_TO_NODE, (MANY, SMALL, IN_FLIGHT), lambda cell: cell.of_node),
        found(DAEMON_SMALL, (1, SMALL, IN_FLIGHT), lambda cell: cell.server_cpu_us),
        found(DAEMON_LARGE, (1, LARGE, IN_FLIGHT), lambda cell: cell.server_cpu_us),
        found(WORKER_ONE, (1, SMALL, IN_FLIGHT), lambda cell: cell.workers_cpu_us),
        found(WORKER_MANY, (MANY, SMALL, IN_FLIGHT), lambda cell: cell.workers_cpu_us),
        found(ALONE_TO_NODE, (1, SMALL, 1), lambda cell: cell.of_node),
    ]


def waiting(_seconds: float) -> list[Found]:
    """Scripts of calls that wait for an answer."""
    load = machine_load()
    some, many = suspended.measure(WAITING), suspended.measure(MANY_WAITING)
    print(f"{some}\n{many}")
    return [
        Found(WAITING_MEMORY, some.bytes_each / 1e3, load),
        Found(MANY_WAITING_MEMORY, many.bytes_each * many.count / 1e9, load),
        Found(BEGINNING, some.begun_micros, load),
        Found(THERE_AND_BACK, some.p50_micros, load),
    ]


def calls(seconds: float) -> list[Found]:
    """Calls of SIPp that scripts drive, by a real daemon."""
    return uvloop.run(_calls(2 * seconds))


async def _calls(seconds: float) -> list[Found]:
    rows: list[Found] = []

    def found(goal: Goal, value: float, load: float, told: object) -> None:
        print(told)
        rows.append(Found(goal, value, load))

    with tempfile.TemporaryDirectory(prefix="scriptforge-bench-") as temporary, far_end() as audio:
        async with voice.daemon(Path(temporary), audio) as bench:
            for rate in SETUP_RATES:
                load = machine_load()
                placed = await voice.setups(bench, rate, seconds)
                found(SETUPS[rate], placed.daemon_ms + placed.workers_ms, load, placed)
            load = machine_load()
            bridged = await voice.bridges(bench, BRIDGED_RATE, seconds)
            found(BRIDGED, bridged.daemon_ms + bridged.workers_ms, load, bridged)
            load = machine_load()
            heard = await voice.playback(bench, FULL_DUPLEX_CALLS, seconds)
            found(FULL_DUPLEX, heard.daemon_ms, load, heard)
    return rows


def killed(_seconds: float) -> list[Found]:
    """Workers of a pool."""
    load = machine_load()
    measured = killed_worker.measure(KILLS)
    print(measured)
    return [Found(KILLED, measured.whole_p50_ms, load)]


def kamailio_calls(_seconds: float) -> list[Found]:
    """Calls of SIPp through Kamailio, alone and with the sidecar."""
    rows: list[Found] = []
    for rate, count in KAMAILIO_CALLS.items():
        load = machine_load()
        with tempfile.TemporaryDirectory(prefix="scriptforge-bench-") as directory:
            compared = kamailio.compare(Path(directory), count, rate, KAMAILIO_ROUNDS)
        print(compared)
        rows += [Found(SIDECAR[rate], compared.sidecar_micros, load), Found(KAMAILIO[rate], compared.ratio, load)]
    return rows


SECTIONS: Final[dict[str, Section]] = {
    "decisions": decisions,
    "waiting": waiting,
    "calls": calls,
    "killed": killed,
    "kamailio": kamailio_calls,
}


def main() -> None:
    """Measure and print."""
    sections.run(__doc__, SECTIONS)


if __name__ == "__main__":
    main()
