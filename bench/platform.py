"""All that is wanted of the platform, in one run: key-values, an App that asks, runs by uuid, a tenant at its limit.

    python -m bench.platform [--seconds 4] [--first] [--json FILE] [questions | runs | limits ...]

Takes some four minutes, and needs the platform's packages; --first needs root. Each section says the machine's load
before it. On a machine that has other work only the ratios say anything; with --first what is measured comes before
that, as far as that goes.
"""

import asyncio
from typing import Final

import uvloop

from bench import http_runs, questions, sections, tenant_limits
from bench.goals import Found, Goal, machine_load
from bench.sections import Section

RUNS_A_SECOND_OF_CASE: Final = 500
"""Runs over HTTP that are measured, by the seconds of a case."""
LIMIT_ROUNDS: Final = 5
"""Rounds of each case beside a tenant at its limit, by its seconds; each takes one."""

GET: Final = Goal("cxKV get, as a script sees it, us", "-", 150)
INCR: Final = Goal("cxKV incr, the same, us", "-", 400)
INCRS: Final = Goal("cxKV incr a second, 16 runs at once", "-", 5_000, at_least=True)
ASKING: Final = Goal("an App that asks cxKV once, 64 in flight: time of one that does not", "-", 2.0)
ASKING_CPU: Final = Goal("the same of processor time", "-", 2.0)
RUN: Final = Goal("a run by uuid of an empty main, there and back, p50 ms", "-", 3.0)
RUNS: Final = Goal("such runs a second, 16 clients", "-", 1_500, at_least=True)
LIMITED_DECISIONS: Final = Goal("decisions beside a tenant at its limit, p50 against alone", "-", 1.1)
LIMITED_RUNS: Final = Goal("runs over HTTP beside a tenant at its limit, p50 against alone", "-", 1.1)


def of_questions(seconds: float) -> list[Found]:
    """What is kept by key, in SQLite."""
    load = machine_load()
    found = uvloop.run(questions.measure(seconds))
    print(questions.told(found))
    return [
        Found(GET, found.get_micros, load),
        Found(INCR, found.incr_micros, load),
        Found(INCRS, found.incrs_a_second, load),
        Found(ASKING, found.asking_ratio, load),
        Found(ASKING_CPU, found.asking_cpu_ratio, load),
    ]


def of_runs(seconds: float) -> list[Found]:
    """Runs over HTTP."""
    load = machine_load()
    found = asyncio.run(http_runs.measure(int(seconds * RUNS_A_SECOND_OF_CASE)))
    for served in found:
        print(served)
    return [Found(RUN, found[0].p50_ms, load), Found(RUNS, found[-1].a_second, load)]


def of_limits(seconds: float) -> list[Found]:
    """A tenant that asks for much more than it may."""
    load = machine_load()
    of_decisions, of_http = asyncio.run(tenant_limits.measure(max(3, int(seconds * LIMIT_ROUNDS)), 1.0))
    return [Found(LIMITED_DECISIONS, of_decisions, load), Found(LIMITED_RUNS, of_http, load)]


SECTIONS: Final[dict[str, Section]] = {"questions": of_questions, "runs": of_runs, "limits": of_limits}


if __name__ == "__main__":
    sections.run(__doc__, SECTIONS)
