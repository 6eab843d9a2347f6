"""Scripts examined beside the event loop: the same as here, and bounded by a process that may die."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sidecar.kind import Kind
from sidecar.language.examination import Examination, Examined, confirmed, examine
from sidecar.language.examination_messages import LENGTH, Answering, Asking, answering, asking
from sidecar.language.examiner import LONG_CHARACTERS, Examiner
from sidecar.problem import Severity

LONG = "// a remark that makes it long\n" * (LONG_CHARACTERS // 20)


def asked(text: str, files: dict[str, str] | None = None) -> Examination:
    return Examination(text=text, kind=Kind.APP, path="main.js", modules=("cxKV",), app="a", files=files or {})


@pytest_asyncio.fixture
async def examiner() -> AsyncIterator[Examiner]:
    made = Examiner()
    yield made
    await made.close()


@pytest.mark.parametrize(
    "text",
    [
        "export function main() { return 1 }\n",
        "import { rate } from './rates'\nimport kv from 'cxKV'\nexport async function main() { return rate }\n",
        "export function main( {\n",
        "import { none } from './rates'\nexport function main() { setTimeot(none) }\n",
    ],
)
async def test_a_long_text_is_examined_in_the_process_as_it_is_here(examiner: Examiner, text: str) -> None:
    whole = asked(LONG + text, {"rates.ts": "export const rate: number = 1\n", "other.js": ""})
    assert await examiner.examine(whole) == examine(whole)


async def test_a_short_text_needs_no_process_and_a_long_one_goes_on_without(
    examiner: Examiner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere")
    assert (await examiner.examine(asked("export function main() {}\n"))).problems == ()
    assert caplog.messages == []
    assert (await examiner.examine(asked(LONG + "export function main() {}\n"))).problems == ()
    assert caplog.messages == ["examiner_not_started"]


def test_messages_bring_what_was_asked_and_found() -> None:
    whole = asked("import './a'\nimport './b'\nexport function main() {}\n", {"a.js": "1\n", "b.json": "{}"})
    reading, answer = Asking(), Answering()
    heard = [reading.take(message[LENGTH.size :]) for message in asking(whole)]
    assert heard == [None, None, whole]
    found = examine(whole)
    told = [answer.take(message[LENGTH.size :]) for message in answering(found)]
    assert told[-1] == found
    assert set(told[:-1]) == {None}


def child() -> int:
    (found,) = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit()
        and f"PPid:\t{os.getpid()}\n" in _read(entry / "status")
        and "sidecar.language.examining" in _read(entry / "cmdline")
    ]
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


async def test_a_process_that_died_between_two_texts_is_replaced_and_nobody_is_told(examiner: Examiner) -> None:
    await examiner.start()
    os.kill(child(), signal.SIGKILL)
    found = await examiner.examine(asked(LONG + "export function main() {}\n"))
    if found.prepared is None:  # it was asked before its end was known
        found = await examiner.examine(asked(LONG + "export function main() {}\n"))
    assert found.problems == ()


async def test_a_text_that_ends_the_process_is_refused_and_the_next_one_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "dying.py").write_text(
        "import sys, os\n"
        "from sidecar.language import examining, examination\n"
        "def examine(asked, real=examination.examine):\n"
        "    return os._exit(9) if 'deadly' in asked.text else real(asked)\n"
        "examining.examine = examine\n"
        "examining.main()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    examiner = Examiner(module="dying")
    try:
        (problem,) = (await examiner.examine(asked(LONG + "// deadly"))).problems
        assert (problem.file, problem.severity) == ("main.js", Severity.ERROR)
        assert problem.message == "is too complex: the process that looked through it has ended"
        assert (await examiner.examine(asked(LONG + "export function main() {}\n"))).problems == ()
        assert examiner.replaced == 1
    finally:
        await examiner.close()


async def test_a_text_that_takes_longer_than_the_process_may_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "stuck.py").write_text(
        "import threading\n"
        "from sidecar.language import examining\n"
        "examining.examine = lambda asked: threading.Event().wait()\n"
        "examining.main()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    examiner = Examiner(module="stuck", seconds=0.05)
    try:
        (problem,) = (await examiner.examine(asked(LONG))).problems
        assert problem.message == "is too complex: looking through it took longer than 0.05 s"
    finally:
        await examiner.close()


async def test_who_leaves_takes_no_answer_of_the_next_along(examiner: Examiner) -> None:
    await examiner.start()
    left = asyncio.ensure_future(examiner.examine(asked(LONG * 4 + "export function main( {")))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.wait((left,))
    assert (await examiner.examine(asked(LONG + "export function main() {}\n"))).problems == ()


async def test_a_process_that_does_not_begin_is_said_and_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "mute.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    examiner = Examiner(module="mute")
    await examiner.start()
    assert (await examiner.examine(asked(LONG + "export function main() {}\n"))).problems == ()
    assert caplog.messages == ["examiner_not_started"]


def test_what_the_engine_finds_stands_among_the_warnings_by_its_place() -> None:
    whole = asked("function mian() {}\nexport function main() {}\nexport function mein() {}\n")
    found = examine(whole)
    with_it = confirmed(whole, found, lambda _prepared, _kind: [("", (2, 1, "SyntaxError: twice"))])
    assert with_it.prepared is None
    assert [one.line for one in with_it.problems] == sorted(one.line for one in with_it.problems)
    assert "main.js:2:1: error: SyntaxError: twice" in map(str, with_it.problems)
    assert confirmed(whole, found, lambda _prepared, _kind: []) is found
    assert confirmed(whole, Examined(found.problems, None), lambda _prepared, _kind: 1 / 0).prepared is None  # type: ignore[arg-type,return-value]


async def test_what_lies_where_the_platform_was_started_is_not_run(
    examiner: Examiner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "struct.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    assert (await examiner.examine(asked(LONG + "export function main() {}\n"))).problems == ()
    assert caplog.messages == []
