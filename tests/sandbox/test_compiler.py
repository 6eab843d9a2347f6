"""Texts that are compiled and not run."""

import sys

import pytest

from sandbox.compiler import Compiler
from sandbox.errors import WorkerFailed
from sandbox.outcome import Location
from sandbox.process import WorkerProcess, WorkerSettings


def test_what_the_engine_compiles_is_right_and_nothing_of_it_is_run() -> None:
    with Compiler(WorkerSettings()) as compiler:
        assert compiler.compile("for (;;);", "x.js", suspends=False) is None
        assert compiler.compile("throw 0", "x.js", suspends=True) is None
        assert compiler.compile("function main() {}", "x.js", suspends=False) is None


@pytest.mark.parametrize(
    ("text", "message", "location"),
    [
        ("let a;\nlet a;", "invalid redefinition of lexical identifier", Location(2, 6)),
        ("function main(d) { return d.#x }", "undefined private field '#x'", None),
        ("function main(d) { return /(/ }", "expecting ')'", None),
    ],
)
def test_what_it_does_not_compile_is_told_with_its_place(text: str, message: str, location: Location | None) -> None:
    with Compiler(WorkerSettings()) as compiler:
        for suspends in (False, True):
            error = compiler.compile(text, "x.js", suspends=suspends)
            assert error is not None
            assert (error.name, error.message, error.location) == ("SyntaxError", message, location)
        assert compiler.compile("let a;", "x.js", suspends=False) is None


def test_a_worker_that_dies_is_followed_by_another() -> None:
    with Compiler(WorkerSettings()) as compiler:
        assert compiler.compile("let a;", "x.js", suspends=False) is None
        process = compiler._process
        assert isinstance(process, WorkerProcess)
        process.kill()
        compiler.compile("let a; let a", "x.js", suspends=False)
        assert compiler.compile("let a; let a", "x.js", suspends=False) is not None


def test_where_no_worker_comes_up_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Compiler(WorkerSettings()) as compiler, pytest.raises(WorkerFailed, match="exit 1"):
        compiler.compile("let a;", "x.js", suspends=False)
