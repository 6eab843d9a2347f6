"""Throughput of the pool beside the same runs inline through the engine in the same process.

    python bench/sandbox_pool.py [--workers 2] [--seconds 1.0] [--rounds 3] [--loop uvloop]

Absolute numbers are the machine's; compare the ratios. Each round measures every case once, so that noise falls on
all of them alike, and the median over the rounds is printed.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Final

import msgspec

from sandbox.engine import Context, LoadedProgram
from sandbox.outcome import Completion, Returned
from sandbox.pool import Pool, PoolSettings
from sandbox.program import Invocation, Limits, Program
from sandbox.status import Tag

ADAPTER: Final = "({prepare: (x) => x, collect: (d, r) => r === undefined ? d : r, caught: () => undefined})"
SCRIPT: Final = """
const PREFIXES = [
  { re: /^\\+44(20\\d+)$/, region: "london" },
  { re: /^\\+44(\\d+)$/, region: "uk" },
  { re: /^\\+1(\\d{10})$/, region: "us" },
];
function normalise(number) {
  let digits = String(number).replace(/[^\\d+]/g, "");
  if (digits.startsWith("00")) digits = "+" + digits.slice(2);
  return digits.startsWith("0") ? "+44" + digits.slice(1) : digits;
}
function main(data) {
  data.routing.cli = normalise(data.routing.cli);
  const found = PREFIXES.find(({ re }) => re.test(data.routing.dest_number));
  data.region = found ? found.region : "other";
  data.routing.egress_routing = data.routing.egress_routing
    .filter((destination) => destination.cost < 0.05)
    .sort((a, b) => a.cost - b.cost)
    .map((destination) => ({ ...destination, headers: [{ key: "X-Region", value: data.region }] }));
  return data;
}
"""
LIMITS: Final = Limits()


def _input() -> bytes:
    destinations = [
        {
            "name": f"gateway-{number}",
            "server": f"192.0.2.{number}",
            "cost": 0.01 * (7 - number),
            "headers": [{"key": "X-Account", "value": number}],
            "gw": {str(number): {"cli": "+442070001000", "codecs": ["PCMA", "PCMU"], "prefix": "00" * 20}},
        }
        for number in range(8)
    ]
    routing = {
        "account_id": 7,
        "cli": "020 7000 1000",
        "dest_number": "+442071838750",
        "egress_routing": destinations,
    }
    return msgspec.msgpack.encode({"routing": routing, "headers": [], "note": "x" * 300})


def _program(number: int) -> Program:
    return Program(
        key=f"script-{number}", name=f"{number}.js", suspends=False, text=SCRIPT + f"// {number}\n", adapter=ADAPTER
    )


class Inline:
    """The same runs in this process: the limit."""

    def __init__(self, programs: list[Program], text: bytes) -> None:
        self._text = text
        self._contexts = []
        for program in programs:
            context = Context(program.suspends)
            assert isinstance(context.load(program), LoadedProgram)
            self._contexts.append(context)

    def measure(self, seconds: float) -> float:
        """Runs a second."""
        contexts = self._contexts
        count = 0
        began = time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds:
            for _ in range(50):
                context = contexts[count % len(contexts)]
                count += 1
                context.limit_time(2.0)
                assert context.start(self._text, "", 0.0).tag is Tag.RETURNED
        return count / elapsed


class Pooled:
    """Keeps a number of runs in flight."""

    def __init__(self, pool: Pool, invocations: list[Invocation]) -> None:
        self._pool = pool
        self._invocations = invocations
        self._count = 0
        self._left = 0
        self._until = 0.0
        self._finished: asyncio.Future[None] | None = None

    def _next(self) -> None:
        invocation = self._invocations[self._count % len(self._invocations)]
        self._count += 1
        self._pool.submit(invocation, self._done)

    def _done(self, completion: Completion) -> None:
        assert isinstance(completion.outcome, Returned), completion
        if time.perf_counter() < self._until:
            self._next()
            return
        self._left -= 1
        if self._left == 0 and self._finished is not None:
            self._finished.set_result(None)

    async def measure(self, in_flight: int, seconds: float) -> tuple[float, float]:
        """Runs a second, and processor microseconds of this process per run."""
        self._finished = asyncio.get_running_loop().create_future()
        self._count, self._left = 0, in_flight
        began, began_cpu = time.perf_counter(), time.process_time()
        self._until = began + seconds
        for _ in range(in_flight):
            self._next()
        await self._finished
        elapsed = time.perf_counter() - began
        return self._count / elapsed, (time.process_time() - began_cpu) / self._count * 1e6


async def compare(workers: int, seconds: float, rounds: int, scripts: int) -> None:
    """Measure and print."""
    data = _input()
    programs = [_program(number) for number in range(scripts)]
    invocations = [Invocation(program=program, input=data, limits=LIMITS) for program in programs]
    inlines = {1: Inline(programs[:1], data), scripts: Inline(programs, data)}
    pool = Pool(PoolSettings(workers=workers))
    await pool.start()
    pooled = {1: Pooled(pool, invocations[:1]), scripts: Pooled(pool, invocations)}
    await pooled[scripts].measure(64, max(1.0, seconds))
    cases = [(in_flight, many) for many in (1, scripts) for in_flight in (1, 64)]
    inline_rates: dict[int, list[float]] = {1: [], scripts: []}
    rates: dict[tuple[int, int], list[tuple[float, float]]] = {case: [] for case in cases}
    for _ in range(rounds):
        for many, inline in inlines.items():
            inline_rates[many].append(inline.measure(seconds / 2))
        for case in cases:
            rates[case].append(await pooled[case[1]].measure(case[0], seconds))
    state = pool.state()
    await pool.close()

    median: Callable[[list[float]], float] = statistics.median
    hot = median(inline_rates[1])
    print(f"{len(data)} bytes of input, {workers} workers, {type(asyncio.get_running_loop()).__module__}")
    for many in (1, scripts):
        rate = median(inline_rates[many])
        print(f"inline, {many:5} scripts              {rate:8.0f}/s  {rate / hot:5.2f}")
    for case in cases:
        in_flight, many = case
        rate = median([rate for rate, _ in rates[case]])
        micros = median([micros for _, micros in rates[case]])
        print(
            f"pool,   {many:5} scripts, {in_flight:2} in flight {rate:8.0f}/s  {rate / hot:5.2f} of one script inline,"
            f" {rate / median(inline_rates[many]):5.2f} of as many inline; {micros:5.1f} us of this process a run"
        )
    print(f"deaths {state.deaths}, moved {state.moved}, refused {state.refused}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scripts", type=int, default=1000)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="uvloop")
    options = parser.parse_args()
    measured = compare(options.workers, options.seconds, options.rounds, options.scripts)
    if options.loop == "uvloop":
        import uvloop  # noqa: PLC0415 - not everywhere

        uvloop.run(measured)
    else:
        asyncio.run(measured)


if __name__ == "__main__":
    main()
