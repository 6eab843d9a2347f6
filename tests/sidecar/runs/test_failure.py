"""Failures in words."""

import pytest

from sandbox.outcome import Completion, Interruption, Location, Stage, Threw, TimedOut, TimeLimit
from sandbox.program import Form, Program, SourceFile
from sidecar.header_rules import RuleViolation
from sidecar.runs.failure import Failure, failure_of, rule_broken
from sidecar.runs.outcomes import OutcomeName

TEXT = """function main(data) {
  const a = data.x;

  while (true) {
    data.y += 1;
  }
}
function other() { for (;;); }"""
PROGRAM = Program(key="1", name="a.js", suspends=False, text=TEXT, adapter="")


@pytest.mark.parametrize(
    ("limit", "interruption", "message", "location"),
    [
        (TimeLimit.WALL, None, "the time limit was reached", ""),
        (
            TimeLimit.WALL,
            Interruption(Stage.WAITING, 1.984),
            "the time limit was reached: it had waited for 1.98 s for what it awaits",
            "",
        ),
        (
            TimeLimit.WALL,
            Interruption(Stage.QUEUED, 0.2),
            "the time limit was reached: it had stood in the queue for 0.2 s",
            "",
        ),
        (
            TimeLimit.CPU,
            Interruption(Stage.RUNNING, 2.0, "main", Location(5, 5)),
            "the limit of processor time was reached: it had run for 2 s, in the loop here",
            "a.js:4:3",
        ),
        (
            TimeLimit.CPU,
            Interruption(Stage.RUNNING, 2.0, "main", Location(2, 13)),
            "the limit of processor time was reached: it had run for 2 s, in the loop here",
            "a.js:4:3",
        ),
        (
            TimeLimit.CPU,
            Interruption(Stage.RUNNING, 2.0, "other", Location(8, 1)),
            "the limit of processor time was reached: it had run for 2 s, in the loop here",
            "a.js:8:20",
        ),
        (
            TimeLimit.CPU,
            Interruption(Stage.RUNNING, 2.0, "sort", Location(80, 1)),
            "the limit of processor time was reached: it had run for 2 s, in sort",
            "",
        ),
    ],
)
def test_a_time_out_says_what_the_run_was_at(
    limit: TimeLimit, interruption: Interruption | None, message: str, location: str
) -> None:
    completion = Completion(TimedOut(limit), interruption=interruption)
    assert failure_of(completion, PROGRAM) == Failure(OutcomeName.TIMED_OUT, message, location)


LIB = SourceFile(
    text="\nexport const f = (data) => {\n  for (;;) data.x;\n}\nexport const g = (a) => a.b.c\nlet x = 'X-Wrong'",
    form=Form.MODULE,
)
SEVERAL = Program(
    key="2",
    name="a.js",
    suspends=True,
    text="import { f } from './lib'\nimport { none } from 'kv'\nexport const main = f",
    adapter="",
    form=Form.MODULE,
    files={"lib.js": LIB},
)


def test_what_goes_wrong_in_another_file_is_told_in_that_one() -> None:
    place = Location(5, 25, "lib.js")
    threw = Threw("a.js", "TypeError", "cannot read property 'c' of undefined", place, ("g (lib.js:5:25)",))
    failed = failure_of(Completion(threw), SEVERAL)
    assert failed.message == "TypeError: cannot read property 'c' of undefined: a.b is undefined"
    assert failed.location.startswith("lib.js:5:")
    interruption = Interruption(Stage.RUNNING, 2.0, "f", Location(3, 12, "lib.js"))
    failed = failure_of(Completion(TimedOut(TimeLimit.CPU), interruption=interruption), SEVERAL)
    assert failed.location == "lib.js:3:3"
    assert rule_broken(RuleViolation("no", "X-Wrong"), SEVERAL).location == "lib.js:6:9"
    assert rule_broken(RuleViolation("no", "X-Other"), SEVERAL).location == "a.js"


@pytest.mark.parametrize(
    "message", ["Could not find export 'none' in module 'kv'", "import 'kv': there is no such module"]
)
def test_an_import_that_fails_before_anything_is_evaluated_has_its_place(message: str) -> None:
    failed = failure_of(Completion(Threw("a.js", "SyntaxError", message, None)), SEVERAL)
    assert failed == Failure(OutcomeName.SCRIPT_ERROR, f"SyntaxError: {message}", "a.js:2:22")


def test_a_name_that_authors_know_from_elsewhere_is_told_what_to_use() -> None:
    program = Program(key="3", name="a.js", suspends=False, text="function main() { new WebSocket('x') }", adapter="")
    threw = Threw("a.js", "ReferenceError", "WebSocket is not defined", Location(1, 19), ("main (a.js:1:19)",))
    assert failure_of(Completion(threw), program).message == (
        "ReferenceError: WebSocket is not defined: use fetch, in an App"
    )
