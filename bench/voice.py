"""Calls that scripts drive, by a real daemon: SIPp calls its SIP agent, scripts answer. Class 4 decisions meanwhile.

    python -m bench.voice [--rates 50,100] [--calls 100,300] [--seconds 8] [setups | playback | bridges | decisions ...]

One daemon as shipped, with one worker for decisions and one for calls. Processor times are the daemon's and its
workers' alone; SIPp and the far end of the audio are not in them but share the machine, which bounds what is reached.
"""

import argparse
import asyncio
import contextlib
import json
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import uvloop

from bench.voice_far_end import HOST, FarEnd, Heard, far_end
from sidecar.bench import workload
from sidecar.bench.load import Load
from sidecar.bench.servers import Server, serve_command
from sidecar.bench.slices import percentile
from sipio.media.wav_writer import WavWriter
from sipio.rpc.client import RpcClient
from tests.acceptance.processes import free_port

SCENARIOS: Final = Path(__file__).parents[1] / "tests" / "acceptance" / "sipp"
IN_FLIGHT: Final = 16
ROUNDS: Final = 4
SLICE_SECONDS: Final = 1.5
SCRIPTS: Final = {
    "brief": "await ctx.answer(); await ctx.hangup();",
    "music": "await ctx.answer(); for (;;) await ctx.play('ivr/noise.wav');",
    "bridge": "await ctx.bridge(data.callee);",
}


@dataclass(frozen=True, slots=True)
class Bench:
    """The daemon and where it is."""

    directory: Path
    server: Server
    client: RpcClient
    agent: str
    callee_port: int
    audio: FarEnd


@contextlib.asynccontextmanager
async def daemon(directory: Path, audio: FarEnd) -> AsyncIterator[Bench]:
    """A daemon with a Class 4 script, the scripts above and their sounds."""
    catalog = directory / "catalog"
    workload.write_catalog(catalog, 1)
    port, callee_port = free_port(HOST), free_port(HOST)
    with (catalog / "assignments.toml").open("a") as assignments:
        for name, body in SCRIPTS.items():
            (catalog / "scripts" / f"{name}.js").write_text(f"async function main(data, ctx) {{ {body} }}\n")
            assignments.write(
                f'[[script]]\nfile = "{name}.js"\nkind = "app"\n[[destination]]\ndestination = "{name}"\n'
                f'script = "{name}"\nvars.callee = "sip:callee@{HOST}:{callee_port}"\n'
            )
    (directory / "ivr").mkdir()
    with WavWriter(directory / "ivr" / "noise.wav", 1) as writer:
        writer.write(np.random.default_rng(1).normal(0, 3_000, 480_000).astype("<i2").tobytes())
    configuration = directory / "sidecar.toml"
    places = "".join(f"{name} = {json.dumps(str(directory / name))}\n" for name in ("recordings", "cache", "records"))
    configuration.write_text(
        f'[sandbox]\nworkers = 1\n[socket]\nunix = "{directory}/socket"\n[catalog]\ndirectory = "{catalog}"\n'
        f'[metrics]\nlisten = ""\n[sip]\nlisten = ["udp:{HOST}:{port}"]\nrtp_ports = "40000-49999"\n'
        f'[voice]\nsounds = "{directory}"\n{places}'
    )
    server = Server("daemon", 1, serve_command(configuration), directory, directory / "socket")
    try:
        client = await server.connect()
        yield Bench(directory, server, client, f"{HOST}:{port}", callee_port, audio)
        await client.close()
    finally:
        server.close()


@dataclass(frozen=True, slots=True)
class Placed:
    """What SIPp says of its calls."""

    succeeded: int
    failed: int
    retransmitted: int
    seconds: float
    """Until the last one had ended."""


class Sipp:
    """One SIPp with one of the acceptance tests' scenarios. With ``heard``, its calls' audio is the far end's business:
    not of bridges, where what two far ends send back would go round and round."""

    def __init__(self, bench: Bench, scenario: str, options: list[str], *, heard: bool = False) -> None:
        program = shutil.which("sipp")
        if program is None:
            sys.exit("sipp is not installed")
        self._directory = Path(tempfile.mkdtemp(dir=bench.directory))
        text = (SCENARIOS / f"{scenario}.xml").read_text()
        if heard:
            text = text.replace("[media_port]", str(bench.audio.port))
        (self._directory / "scenario.xml").write_text(text)
        self._command = [
            program, "-sf", "scenario.xml", "-i", HOST, "-nostdin", "-trace_stat", "-stf", "statistics.csv",
            "-timeout", "120s", *options,
        ]  # fmt: skip

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """While it runs; ended with the block."""
        nothing = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *self._command, cwd=self._directory, stdout=nothing, stderr=nothing
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    async def finish(self) -> Placed:
        """Let it place its calls."""
        began = time.monotonic()
        async with self.running() as process:
            await process.wait()
        took = time.monotonic() - began
        heads, *lines = (self._directory / "statistics.csv").read_text().splitlines()
        last = dict(zip(heads.split(";"), lines[-1].split(";"), strict=False))
        succeeded, failed, retransmitted = (
            int(last[name]) for name in ("SuccessfulCall(C)", "FailedCall(C)", "Retransmissions(C)")
        )
        return Placed(succeeded, failed, retransmitted, took)


def callers(
    bench: Bench, scenario: str, destination: str, calls: int, rate: int, *, hold: float = 0.0, heard: bool = False
) -> Sipp:
    """Calls, and where the scenario hangs up, after so many seconds."""
    options = [bench.agent, "-s", destination, "-m", str(calls), "-l", str(calls), "-r", str(rate)]
    return Sipp(bench, scenario, [*options, "-d", str(round(hold * 1_000))], heard=heard)


@contextlib.contextmanager
def processor_time(bench: Bench, found: list[float]) -> Iterator[None]:
    """Seconds of the daemon and of its workers in the block."""
    bench.server.between_slices()
    before = bench.server.processor_times()
    yield
    found += bench.server.processor_times().since(before)


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls placed at a rate, and the milliseconds of processor time that each of them cost."""

    name: str
    calls: int
    rate: int
    placed: Placed
    daemon_ms: float
    workers_ms: float

    def __str__(self) -> str:
        placed = self.placed
        return (
            f"{self.name}: {self.calls} calls at {self.rate}/s, {placed.succeeded} succeeded, {placed.failed} failed, "
            f"{placed.retransmitted} messages sent again, {placed.succeeded / placed.seconds:.0f} calls/s; CPU a call: "
            f"daemon {self.daemon_ms:.2f} ms, workers {self.workers_ms:.2f} ms"
        )


async def setups(bench: Bench, rate: int, seconds: float) -> Calls:
    """Calls that a script answers and hangs up at once."""
    return await place(bench, "set-ups", "agent_call_in_hung_up", "brief", rate, round(rate * seconds))


async def bridges(bench: Bench, rate: int, seconds: float) -> Calls:
    """Calls that a script bridges to another SIPp, each of two set-ups of that rate; the caller hangs up."""
    async with Sipp(bench, "agent_call_out", ["-p", str(bench.callee_port), "-m", "1000000"]).running():
        return await place(bench, "bridged", "agent_call_in", "bridge", rate // 2, round(rate // 2 * seconds))


async def place(bench: Bench, name: str, scenario: str, destination: str, rate: int, calls: int) -> Calls:
    """Calls of that rate, until all have ended."""
    used: list[float] = []
    with processor_time(bench, used):
        placed = await callers(bench, scenario, destination, calls, rate, hold=0.2).finish()
    return Calls(name, calls, rate, placed, used[0] / calls * 1e3, used[1] / calls * 1e3)


@contextlib.asynccontextmanager
async def calls_up(bench: Bench, calls: int, seconds: float) -> AsyncIterator[None]:
    """So many calls that hear music, for a block of ``seconds``. They have ended when it is left."""
    # SIPp places 50 a second; then those that are late come.
    before = calls / 50 + 1.0
    sipp = callers(bench, "agent_call_in", "music", calls, 50, hold=before + seconds + 0.5, heard=True)
    async with sipp.running() as process:
        await asyncio.sleep(before)
        yield
        await process.wait()


@dataclass(frozen=True, slots=True)
class FullDuplex:
    """So many calls that hear sound and talk, and what their far end heard of them."""

    calls: int
    heard: Heard
    core_share: float
    """Of one core, for the daemon."""

    @property
    def daemon_ms(self) -> float:
        """Milliseconds of the daemon's processor time for a second of one call."""
        return self.core_share / self.calls * 1e3

    def __str__(self) -> str:
        heard = self.heard
        return (
            f"full duplex: {self.calls} calls, {heard.streams} streams heard, "
            f"{heard.packets / heard.seconds:,.0f} packets/s, {heard.lost} lost; "
            f"daemon {100 * self.core_share:.0f} % of a core, "
            f"{self.daemon_ms:.2f} ms CPU a call-second; lateness ms p50 {heard.late_ms[0]:.1f} "
            f"p99 {heard.late_ms[1]:.1f} most {heard.late_ms[2]:.1f}"
        )


async def playback(bench: Bench, calls: int, seconds: float) -> FullDuplex:
    """Calls that hear sound and talk, for so long."""
    used: list[float] = []
    async with calls_up(bench, calls, seconds):
        bench.audio.begin()
        with processor_time(bench, used):
            await asyncio.sleep(seconds)
        heard = bench.audio.heard()
    return FullDuplex(calls, heard, used[0] / seconds)


async def decisions(bench: Bench, calls: int, rate: int) -> None:
    """Class 4 alone and beside calls, in turn."""
    load = Load(bench.server, bench.client)
    requests = workload.requests(1, 2_048)
    await load.warm(requests)
    for what in ("set-ups", "full duplex"):
        alone, beside = [], []
        for _ in range(ROUNDS):
            alone.append(await load.measure(requests, IN_FLIGHT, SLICE_SECONDS))
            if what == "set-ups":
                async with callers(bench, "agent_call_in_hung_up", "brief", 10 * rate, rate).running():
                    await asyncio.sleep(0.3)
                    beside.append(await load.measure(requests, IN_FLIGHT, SLICE_SECONDS))
            else:
                async with calls_up(bench, calls, 1.2 * SLICE_SECONDS):
                    beside.append(await load.measure(requests, IN_FLIGHT, SLICE_SECONDS))
        ratio = statistics.median(b.rate / a.rate for a, b in zip(alone, beside, strict=True))
        load_text = f"{rate} set-ups/s" if what == "set-ups" else f"{calls} calls full duplex"
        print(
            f"decisions beside {load_text}: {statistics.median(one.rate for one in beside):,.0f}/s, alone "
            f"{statistics.median(one.rate for one in alone):,.0f}/s, ratio {ratio:.2f}; p99 "
            f"{percentile(beside, 0.99) * 1e3:.1f} ms, alone {percentile(alone, 0.99) * 1e3:.1f} ms"
        )


async def run(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="scriptforge-bench-") as temporary, far_end() as audio_end:
        for what in options.what:
            directory = Path(temporary) / what
            directory.mkdir()
            async with daemon(directory, audio_end) as bench:
                if what == "setups":
                    for rate in options.rates:
                        print(await setups(bench, rate, options.seconds))
                elif what == "playback":
                    for calls in options.calls:
                        print(await playback(bench, calls, options.seconds))
                elif what == "bridges":
                    for rate in options.rates:
                        print(await bridges(bench, rate, options.seconds))
                else:
                    await decisions(bench, options.calls[0], options.rates[0])


def _numbers(text: str) -> list[int]:
    if not re.fullmatch(r"\d+(,\d+)*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers")
    return [int(one) for one in text.split(",")]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["setups", "playback", "bridges", "decisions"])
    parser.add_argument("--rates", type=_numbers, default=[50, 100], help="calls a second")
    parser.add_argument("--calls", type=_numbers, default=[100, 300], help="at once")
    parser.add_argument("--seconds", type=float, default=8.0)
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
