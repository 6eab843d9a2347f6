"""Call records kept by day, found again and shown."""

import asyncio
import resource
from pathlib import Path

import msgspec
import pytest

from sidecar.cli import main
from sidecar.operations import call_store
from sidecar.operations.call_record import CallRecord, LegRecord
from sidecar.operations.call_search import NoSuchCall, find, newest
from sidecar.operations.call_store import CallStore

DAY = 86_400.0


def record(call_id: str, arrived: float = 1_700_000_000.0) -> CallRecord:
    return CallRecord(
        id=call_id,
        driver="sip",
        cli="44207",
        dest_number="100",
        arrived=arrived,
        answered=0.5,
        ended=2.5,
        hangup_by="caller",
        cause=16,
        outcome="returned",
    )


def cut_short(directory: Path) -> None:
    """End the last file in the middle of a line, as a full disk does."""
    with max(directory.iterdir()).open("ab") as last:
        last.write(b'{"id":"half')


async def test_records_are_found_again_the_newest_first(tmp_path: Path) -> None:
    store = CallStore(tmp_path / "calls", days=7)
    for number in range(3):
        store.add(record(f"call-{number}"))
    await store.close()
    assert [one.id for one in newest(tmp_path / "calls")] == ["call-2", "call-1", "call-0"]
    assert find(tmp_path / "calls", "call-1") == record("call-1")
    assert find(tmp_path / "calls", "call").id == "call-2"
    assert store.dropped == 0


@pytest.mark.parametrize("call_id", ["other", ""])
async def test_a_call_that_is_not_kept(call_id: str, tmp_path: Path) -> None:
    store = CallStore(tmp_path, days=7)
    store.add(record("call"))
    await store.close()
    with pytest.raises(NoSuchCall):
        find(tmp_path, call_id)


async def test_days_past_are_let_go_and_broken_lines_passed_over(tmp_path: Path) -> None:
    store = CallStore(tmp_path, days=2)
    for day in range(4):
        store.add(record(f"day-{day}", 1_700_000_000.0 + day * DAY))
        await store.close()
    cut_short(tmp_path)
    assert [one.id for one in newest(tmp_path)] == ["day-3", "day-2"]


async def test_the_record_after_one_cut_short_is_whole(tmp_path: Path) -> None:
    store = CallStore(tmp_path, days=2)
    for name in ("first", "second"):
        store.add(record(name))
        await store.close()
        cut_short(tmp_path)
    assert [one.id for one in newest(tmp_path)] == ["second", "first"]


async def test_of_a_disk_that_is_full_all_that_fits_is_kept_and_the_rest_counted(tmp_path: Path) -> None:
    store = CallStore(tmp_path, days=7)
    for number in range(100):
        store.add(record(f"call-{number}"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        await store.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    kept = [one.id for one in newest(tmp_path)]
    assert 10 < len(kept) < 100
    assert store.dropped == 100 - len(kept)
    store.add(record("later"))
    await store.close()
    assert [one.id for one in newest(tmp_path)] == ["later", *kept]


async def test_a_record_that_comes_alone_is_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_store, "GATHERING_SECONDS", 3_600.0)
    store = CallStore(tmp_path, days=7)
    store.add(record("alone"))
    async with asyncio.timeout(60):
        while not list(newest(tmp_path)):  # noqa: ASYNC110 - a file sets no event
            await asyncio.sleep(0.005)
    store.add(record("soon after"))
    await store.close()
    assert [one.id for one in newest(tmp_path)] == ["soon after", "alone"]


async def test_a_directory_that_cannot_be_written_costs_records_and_no_call(tmp_path: Path) -> None:
    (tmp_path / "calls").write_text("in the way")
    store = CallStore(tmp_path / "calls", days=7)
    store.add(record("call"))
    await store.close()
    assert store.dropped == 1


@pytest.mark.parametrize("text", ["\ud800", "\0", "\x1b[2J\x9b31m\u2028", "\udfff" * 1_000_000])
async def test_a_record_of_any_text_is_kept_beside_the_others(tmp_path: Path, text: str) -> None:
    store = CallStore(tmp_path, days=7)
    odd = msgspec.structs.replace(record("odd"), error=text, reason=text, log=[text])
    for one in (record("first"), odd, record("last")):
        store.add(one)
    await store.close()
    assert store.dropped == 0
    assert [one.id for one in newest(tmp_path)] == ["last", "odd", "first"]
    assert find(tmp_path, "odd").error == text.encode("utf-8", "backslashreplace").decode()


async def test_a_record_that_cannot_be_written_costs_no_other_and_is_counted_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = CallStore(tmp_path, days=7)
    for name in ("first", "second"):
        store.add(record(name))
        store.add(msgspec.structs.replace(record("never"), arrived=float("nan")))
        store.add(record(f"after {name}"))
        await store.close()
    assert store.dropped == 2
    assert [one.id for one in newest(tmp_path)] == ["after second", "second", "after first", "first"]
    assert caplog.text.count("call_records_not_written") == 1


async def test_what_a_caller_calls_itself_does_not_drive_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = CallStore(tmp_path, days=7)
    store.add(msgspec.structs.replace(record("call-1"), cli="\x1b[2J\x9b31m", reason="\u202e"))
    await store.close()
    for words in (["list"], ["show", "call-1"], ["show", "call-1", "--json"], ["show", "\x1b[31m"]):
        main(["calls", "--directory", str(tmp_path), *words])
        captured = capsys.readouterr()
        assert not {"\x1b", "\x9b", "\u202e"} & set(captured.out + captured.err)


@pytest.mark.parametrize("asked", ["79460123", "7946-0123", "20 7946 0123", "(20) 7946.0123"])
async def test_calls_are_found_by_a_number(tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: str) -> None:
    store = CallStore(tmp_path, days=7)
    store.add(msgspec.structs.replace(record("from"), cli="442079460123"))
    store.add(msgspec.structs.replace(record("to"), dest_number="442079460123"))
    bridged = [LegRecord(at=1.0, destination="trunk/main/442079460123", what="answered")]
    store.add(msgspec.structs.replace(record("bridged"), legs=bridged))
    store.add(record("other"))
    await store.close()
    assert main(["calls", "--directory", str(tmp_path), "list", "--number", asked]) == 0
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()] == ["bridged", "to", "from"]


async def test_shown_as_a_timeline_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = CallStore(tmp_path, days=7)
    store.add(record("call-1"))
    await store.close()
    assert main(["calls", "--directory", str(tmp_path), "show", "call-1"]) == 0
    assert "44207 -> 100" in capsys.readouterr().out
    assert main(["calls", "--directory", str(tmp_path), "list"]) == 0
    assert capsys.readouterr().out.count("call-1") == 1
    assert main(["calls", "--directory", str(tmp_path), "show", "none"]) == 1
