"""What a worker sends is read without loss for one bad character, and in no time that others would feel."""

from itertools import pairwise

from sandbox.answers import LOG_LINES, RunLog, read_calls
from sandbox.engine import RunBounds
from sandbox.outcome import LogLine
from sandbox.program import Limits
from tests.sandbox.support import HOST_ADAPTER, Driven, packed


def test_console_lines_and_host_calls_outlive_a_half() -> None:
    text = r"""async function main() {
      console.log("a\ud83d"); console.warn("\ud83d\ude00\\ud83d"); await ask("\udc00",
        { "\ud800": "\ud800\ud800\udc00" });
    }"""
    driven = Driven(text, True, adapter=HOST_ADAPTER)
    assert driven.start() == "W3"
    assert driven.log == [["log", "a?"], ["warn", "\U0001f600\\ud83d"]]
    assert driven.calls == [[1, "ask", ["?", {"?": "?\U00010000"}]]]


LIMITS = Limits()


def test_what_no_runtime_has_written_cannot_be_read() -> None:
    assert read_calls(packed([[1, "kv", ["a"]]]), LIMITS) == [(1, "kv", ["a"])]
    for broken in (packed([[1, "kv", "no list"]]), b"", b"\x91", b"\x91\x93\x01\xa1\xff\x90", b"\x91" * 5000):
        assert read_calls(broken, LIMITS) is None
        log = RunLog(LIMITS)
        log.add(broken)
        assert log.lines == [LogLine("warn", "[console output that cannot be read]")]


def test_more_calls_than_a_run_may_ask_are_not_read() -> None:
    assert read_calls(packed([[1, "kv", []]] * 10), Limits(outbox_calls=10)) is not None
    assert read_calls(packed([[1, "kv", []]] * 11), Limits(outbox_calls=10)) is None
    one = packed([[1, "kv", ["x" * 80]]])
    assert read_calls(one, Limits(outbox_bytes=len(one))) is not None
    assert read_calls(packed([[1, "kv", [[]] * 1000]]), Limits(outbox_bytes=900)) is None


def test_the_log_of_a_run_stays_bounded_whatever_its_worker_sends() -> None:
    limits = Limits(log_bytes=1_000)
    log = RunLog(limits)
    log.add(packed([["log", "\u4e00" * 1_000]]))
    assert log.lines == [LogLine("log", "\u4e00" * 1_000)]
    log.add(packed([["log", "x" * 200_000]]))
    assert log.lines[1:] == [LogLine("warn", "[console output that cannot be read]")]
    for _ in range(2 * LOG_LINES):
        log.add(b"")
    assert len(log.lines) < LOG_LINES
    log = RunLog(limits)
    for _ in range(1_000):
        log.add(packed([["log", "x" * 60_000]]))
    assert sum(len(line.text) for line in log.lines) < 200_000


def test_lines_of_nothing_are_few() -> None:
    bounds = RunBounds(1_000_000, Limits(wall_seconds=1, cpu_seconds=1).log_bytes, 1)
    driven = Driven("function main() { for (let n = 0; n < 1e5; n++) console.log(''); return 1; }", bounds=bounds)
    assert driven.run() == 1
    assert 100 < len(driven.log) < 1_000
    assert driven.log[-1][1].endswith("is cut]")
    assert all(earlier == ["log", ""] for earlier, _ in pairwise(driven.log))
    log = RunLog(LIMITS)
    log.add(packed([["log", ""]] * (LOG_LINES + 1)))
    assert len(log.lines) == LOG_LINES
