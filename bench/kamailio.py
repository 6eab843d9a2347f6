"""Processor time a call of a real Kamailio relaying alone, and asking the sidecar about every call, with SIPp around.

    python -m bench.kamailio [--calls 500] [--rate 100] [--rounds 3]

Both Kamailios run the shipped configuration, the one alone with SCRIPTFORGE_OFF, and are measured in turn, round after
round. Every call is an INVITE answered by the first gateway, an ACK and a BYE; the script changes headers. What an idle
process uses in the same time (timers, mostly) is measured as well and taken off.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sidecar.bench.servers import ProcessorTimes, Server, processor_times, serve_command
from tests.acceptance.kamailio import GATEWAYS, Kamailio
from tests.acceptance.sipp import Sipp

SCRIPTS: Final = Path(__file__).parents[1] / "tests" / "acceptance" / "scripts"
CALLER: Final = "127.0.0.31"
"""The source address of the customer whose script is ``headers``."""
IDLE_SECONDS: Final = 3.0
WARM_CALLS: Final = 50


@dataclass(frozen=True, slots=True)
class Round:
    """Microseconds a call."""

    kamailio: float
    sidecar: float
    workers: float


@dataclass(slots=True)
class Subject:
    """One Kamailio, with or without a sidecar, and what both use while nothing happens."""

    name: str
    kamailio: Kamailio
    sidecar: Server | None
    idle: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def times(self) -> tuple[ProcessorTimes, ProcessorTimes | None]:
        """Processor seconds used so far by Kamailio and, where there is one, by the sidecar."""
        kamailio = processor_times(self.kamailio.program.process.pid)
        return kamailio, self.sidecar.processor_times() if self.sidecar is not None else None

    def used(self, during: Callable[[], None]) -> tuple[float, float, float, float]:
        """Seconds passed, and seconds of processor time of Kamailio, the sidecar and its workers."""
        began, before = time.monotonic(), self.times()
        during()
        after, seconds = self.times(), time.monotonic() - began
        kamailio = sum(after[0].since(before[0]))
        sidecar = after[1].since(before[1]) if after[1] is not None and before[1] is not None else (0.0, 0.0)
        return seconds, kamailio, *sidecar

    def measure_idle(self) -> None:
        """Measure what is used while no call comes."""
        seconds, *used = self.used(lambda: time.sleep(IDLE_SECONDS))
        self.idle = (used[0] / seconds, used[1] / seconds, used[2] / seconds)

    def measure(self, directory: Path, calls: int, rate: int) -> Round:
        """Place the calls, and wait until all have ended as they should."""
        directory.mkdir()
        port = self.kamailio.gateway_ports["gw-one"]
        gateway = Sipp(directory, "gateway", GATEWAYS["gw-one"], port=port, calls=calls).wait_until_bound()
        target = f"{self.kamailio.address}:{self.kamailio.port}"

        def place() -> None:
            Sipp(directory, "caller", CALLER, options=(target, "-s", "4930123", "-r", str(rate)), calls=calls).finish()

        seconds, *used = self.used(place)
        gateway.stop()
        kamailio, sidecar, workers = (
            (total - idle * seconds) / calls * 1e6 for total, idle in zip(used, self.idle, strict=True)
        )
        return Round(kamailio, sidecar, workers)


def start_sidecar(directory: Path, kamailio: Kamailio) -> Server:
    """A daemon with the script ``headers`` for the customer of that name, connected to this Kamailio."""
    catalog = directory / "catalog"
    (catalog / "scripts").mkdir(parents=True)
    (catalog / "scripts" / "headers.js").write_bytes((SCRIPTS / "headers.js").read_bytes())
    (catalog / "assignments.toml").write_text('[[route]]\ncustomer = "headers"\nscript = "headers"\n')
    configuration = directory / "sidecar.toml"
    configuration.write_text(
        f"[socket]\nunix = {json.dumps(str(directory / 'socket'))}\n"
        f"[kamailio]\npeers = [{json.dumps(kamailio.peer)}]\n"
        f'[catalog]\ndirectory = {json.dumps(str(catalog))}\n[metrics]\nlisten = ""\n'
    )
    return Server("sidecar", 2, serve_command(configuration), directory, directory / "socket")


async def decisions(sidecar: Server) -> dict[str, int]:
    """What it has decided so far, by outcome, once it serves."""
    client = await sidecar.connect()
    stats = await client.call("stats")
    await client.close()
    decided: dict[str, int] = stats["decisions"]
    return decided


@dataclass(frozen=True, slots=True)
class Comparison:
    """Kamailio alone and with the sidecar, round for round."""

    calls: int
    """Of each in a round."""
    rate: int
    alone: list[Round]
    asking: list[Round]
    decided: dict[str, int]
    """The sidecar's decisions by outcome, those before the first round as well."""

    @property
    def ratio(self) -> float:
        """How many times as much processor time Kamailio uses as alone."""
        pairs = zip(self.asking, self.alone, strict=True)
        return statistics.median(asking.kamailio / alone.kamailio for asking, alone in pairs)

    @property
    def sidecar_micros(self) -> float:
        """Microseconds of the sidecar and its workers together."""
        return statistics.median(one.sidecar + one.workers for one in self.asking)

    def __str__(self) -> str:
        lines = [
            f"decided {self.decided}, of {WARM_CALLS + self.calls * len(self.asking)} calls",
            f"{self.calls} calls at {self.rate}/s, {len(self.asking)} rounds; "
            "microseconds of processor time a call, medians",
        ]
        for name, rounds in (("alone", self.alone), ("with the sidecar", self.asking)):
            kamailio = statistics.median(one.kamailio for one in rounds)
            sidecar = statistics.median(one.sidecar for one in rounds)
            workers = statistics.median(one.workers for one in rounds)
            lines.append(f"{name:18} Kamailio {kamailio:7.0f}   sidecar {sidecar:7.0f}   workers {workers:7.0f}")
        return "\n".join([*lines, f"Kamailio with the sidecar: {self.ratio:.2f} times alone"])


def compare(directory: Path, calls: int, rate: int, rounds: int) -> Comparison:
    """Measure both in turn."""
    alone = Subject("alone", Kamailio(directory / "alone", ["SCRIPTFORGE_OFF=yes"]), None)
    asking = Kamailio(directory / "asking")
    subjects = [alone]
    try:
        alone.kamailio.wait_until_ready()
        asking.wait_until_ready()
        subjects.append(Subject("with the sidecar", asking, start_sidecar(directory, asking)))
        sidecar = subjects[1].sidecar
        assert sidecar is not None
        asyncio.run(decisions(sidecar))
        asking.program.wait_for("sidecar connected")
        for subject in subjects:
            subject.measure(directory / f"warm-{subject.name}", WARM_CALLS, rate)
            subject.measure_idle()
        found: list[list[Round]] = [[], []]
        for number in range(rounds):
            for subject, measured in zip(subjects, found, strict=True):
                measured.append(subject.measure(directory / f"{subject.name}-{number}", calls, rate))
        decided = asyncio.run(decisions(sidecar))
    finally:
        for subject in subjects:
            if subject.sidecar is not None:
                subject.sidecar.close()
        alone.kamailio.stop()
        asking.stop()
    return Comparison(calls, rate, found[0], found[1], decided)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scriptforge-bench-") as directory:
        print(compare(Path(directory), options.calls, options.rate, options.rounds))


if __name__ == "__main__":
    main()
