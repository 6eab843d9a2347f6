"""The function that an invocation calls: main, or another of those that its program names."""

import json
from typing import Any

import pytest

from sandbox.outcome import Outcome, Threw
from sandbox.pool import Pool
from sandbox.program import Invocation, Limits
from tests.sandbox.support import Driven, packed, program, returned, running_pool, submit, written

BOTH = pytest.mark.parametrize("suspends", [False, True])
TEXT = "function main(x) { return ['main', x]; } const search = (x) => ['search', x]; let seven = 7;"
ENTRIES = ("main", "search", "seven", "missing")


def status(driven: Driven, entry: str, data: Any = None) -> str:
    return written(driven.context.start(packed(data), "", 0.0, entry))


@BOTH
def test_it_is_called_by_its_name(suspends: bool) -> None:
    driven = Driven(TEXT, suspends, entries=ENTRIES)
    driven.context.limit_time(1.0)
    for _ in range(2):
        assert status(driven, "search", 5) == 'R0["search",5]'
        assert status(driven, "main", 6) == 'R0["main",6]'


@BOTH
@pytest.mark.parametrize("entry", ["missing", "seven", "other", "toString", "__proto__", "", "main\0", "search\ud800"])
def test_one_that_is_not_there(suspends: bool, entry: str) -> None:
    driven = Driven(TEXT, suspends, entries=ENTRIES)
    driven.context.limit_time(1.0)
    told = status(driven, entry)
    assert told[0] == "E"
    assert json.loads(told[2:])["message"] == f"no function {entry}"


@BOTH
def test_main_is_one_only_where_it_is_named(suspends: bool) -> None:
    driven = Driven(TEXT, suspends, entries=("search",))
    driven.context.limit_time(1.0)
    assert "no function main" in status(driven, "main")
    assert status(driven, "search", 1) == 'R0["search",1]'


@BOTH
@pytest.mark.parametrize("shadow", ["eval", "undefined", "Object", "factory", "entry", "arguments"])
def test_an_author_may_shadow_what_he_likes(suspends: bool, shadow: str) -> None:
    driven = Driven(f"var {shadow} = () => 'mine'; {TEXT}", suspends, entries=ENTRIES)
    driven.context.limit_time(1.0)
    assert status(driven, "search", 1) == 'R0["search",1]'
    driven = Driven(f"var {shadow} = 1;", suspends, entries=ENTRIES)
    assert "no function missing" in status(driven, "missing")


def test_its_name_is_in_what_is_said_of_it() -> None:
    driven = Driven("const search = () => new Promise(() => {})", True, entries=ENTRIES)
    driven.context.limit_time(1.0)
    assert status(driven, "search")[0] == "W"
    assert b"search returned a promise that can never settle" in driven.context.poll(True).payload
    driven = Driven("async function search() {}", False, entries=ENTRIES)
    driven.context.limit_time(1.0)
    assert "search returned a promise; a Script is synchronous" in status(driven, "search")


def test_exit_at_the_top_level_ends_it_as_it_ends_main() -> None:
    driven = Driven("exit(1)", True, entries=ENTRIES)
    driven.context.limit_time(1.0)
    assert status(driven, "missing") == "R01"


@pytest.mark.parametrize("entry", ["$", "_a1", "constructor", "__proto__", "async", "of", "x" * 1_000])
def test_a_name_of_a_function(entry: str) -> None:
    text = f"const {entry} = () => 1" if entry != "async" else "var async = () => 1"
    driven = Driven(text, entries=(entry,))
    driven.context.limit_time(1.0)
    assert status(driven, entry) == "R01"


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "1a",
        "a-b",
        "a.b",
        "a b",
        "a;b",
        "a}",
        '"',
        "class",
        "this",
        "null",
        "yield",
        "await",
        "let",
        "é",
        "a\n",
        "a\0",
    ],
)
def test_no_name_of_a_function(entry: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a JavaScript function"):
        program(TEXT, entries=("main", entry))


async def outcome(pool: Pool, entry: str) -> Outcome:
    invocation = Invocation(program=program(TEXT, entries=ENTRIES), entry=entry, input=packed(1), limits=Limits())
    _, future = submit(pool, invocation)
    return (await future).outcome


async def test_it_goes_over_the_link() -> None:
    async with running_pool() as pool:
        assert await outcome(pool, "search") == returned(["search", 1])
        assert await outcome(pool, "main") == returned(["main", 1])
        failed = await outcome(pool, "missing")
        assert isinstance(failed, Threw)
        assert str(failed) == "author.js: Error: no function missing"
        failed = await outcome(pool, "nowhere")
        assert isinstance(failed, Threw)
        assert str(failed) == "author.js: Error: no function nowhere"
        assert await outcome(pool, "search") == returned(["search", 1])
