"""Intl of the sandbox beside Node's, on random instants, zones and options:

    python -m bench.intl.compare --count 10000 --seed 7

Differences are printed, at most 20; the exit status is 1 where there is any. Node's own tzdata may be another release
than the system's: what one of them has corrected since differs, by the whole offset.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from sandbox.engine import Context
from sandbox.program import Program
from sandbox.status import Tag

CASES: Final = Path(__file__).with_name("cases.mjs")
BATCH: Final = 200
SHOWN: Final = 20
_ASK: Final = """
function main(expressions) {
  return expressions.map((expression) => {
    try {
      return (0, eval)(expression);
    } catch (error) {
      return { throws: error.name };
    }
  });
}
"""
_ADAPTER: Final = "({ prepare: (x) => x, collect: (x, y) => y, caught: () => undefined })"


class Difference(NamedTuple):
    """What the two made of one expression."""

    expression: str
    node: Any
    ours: Any


def node_cases(count: int, seed: int) -> list[dict[str, Any]]:
    """Random expressions with Node's answers. Raises FileNotFoundError without Node."""
    asked = subprocess.run(["node", CASES, str(count), str(seed)], check=True, capture_output=True, text=True)
    return [json.loads(line) for line in asked.stdout.splitlines()]


def answers(expressions: Iterable[str]) -> Iterator[Any]:
    """What the sandbox makes of each expression."""
    waiting = list(expressions)
    program = Program(key="intl", name="intl.js", suspends=False, text=_ASK, adapter=_ADAPTER)
    context = Context(suspends=False)
    context.load(program)
    for begin in range(0, len(waiting), BATCH):
        context.limit_time(60.0)
        status = context.start(msgspec.msgpack.encode(waiting[begin : begin + BATCH]), "", 0.0)
        if status.tag is not Tag.RETURNED:
            raise AssertionError(status)
        yield from msgspec.msgpack.decode(status.payload)


def differences(cases: Iterable[dict[str, Any]]) -> Iterator[Difference]:
    """Where the sandbox answers otherwise than Node did."""
    listed = list(cases)
    for case, ours in zip(listed, answers(case["expression"] for case in listed), strict=True):
        if ours != case["answer"]:
            yield Difference(case["expression"], case["answer"], ours)


def main() -> int:
    """Compare, and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found = list(differences(node_cases(given.count, given.seed)))
    for difference in found[:SHOWN]:
        print(f"{difference.expression}\n  Node: {difference.node!r}\n  ours: {difference.ours!r}")
    print(f"{given.count} expressions, {len(found)} answered otherwise than by Node")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
