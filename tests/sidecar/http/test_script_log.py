"""What scripts wrote, kept: in order, bounded in size and days, of one tenant for nobody else."""

import asyncio
import os
import time
from pathlib import Path

from sandbox.outcome import LogLine
from sidecar.catalog.compile import make_script
from sidecar.catalog.model import Script
from sidecar.http.script_log import (
    BEHIND,
    BEHIND_BYTES,
    FILES,
    UNWRITTEN,
    UNWRITTEN_BYTES,
    Follower,
    ScriptLine,
    ScriptLog,
)
from sidecar.kind import Kind
from sidecar.runs.answers import Answer
from sidecar.runs.outcomes import OutcomeName

RETURNED = Answer(status=200, outcome=OutcomeName.RETURNED)
FAILED = Answer(status=500, outcome=OutcomeName.SCRIPT_ERROR, message="TypeError: x", location="a.js:1:2")
DAY = 86_400


def script(tenant: str, script_id: str = "a") -> Script:
    return make_script(id=script_id, name=f"{script_id}.js", kind=Kind.APP, text="", tenant=tenant)


def add(log: ScriptLog, tenant: str, *texts: str, script_id: str = "a", answer: Answer = RETURNED) -> None:
    lines = [LogLine("log", text) for text in texts]
    log.add(script(tenant, script_id), "run", "main", lines, answer)


async def texts(log: ScriptLog, tenant: str, script_id: str | None = None, most: int = 1_000) -> list[str]:
    return [one.text for one in await log.newest(tenant, script_id, None, most)]


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_the_newest_come_first_and_failures_are_among_them(tmp_path: Path) -> None:
    log = ScriptLog(tmp_path / "logs", 1_000_000, 7)
    add(log, "acme", "one", "two")
    add(log, "acme", script_id="b", answer=FAILED)
    await log.close()
    assert await texts(log, "acme") == ["TypeError: x (a.js:1:2)", "two", "one"]
    assert await texts(log, "acme", "a") == ["two", "one"]
    first = (await log.newest("acme", None, None, 1))[0]
    assert [one.text for one in await log.newest("acme", None, first.at, 10)] == ["two", "one"]


async def test_a_run_under_way_has_each_of_its_lines_kept_once(tmp_path: Path) -> None:
    log = ScriptLog(tmp_path, 1_000_000, 7)
    lines = [LogLine("log", "one")]
    run = log.watch(script("acme"), "run", "main", lambda: lines)
    run.look()
    run.look()
    lines.append(LogLine("log", "two"))
    run.look()
    again, lines = lines, []  # its worker died, and it begins again
    run.look()
    lines = [*again, LogLine("log", "three")]
    run.end([*lines, LogLine("log", "four")], FAILED)
    await log.close()
    assert await texts(log, "acme") == ["TypeError: x (a.js:1:2)", "four", "three", "two", "one"]


async def test_a_tenants_lines_are_nobody_elses(tmp_path: Path) -> None:
    log = ScriptLog(tmp_path, 1_000_000, 7)
    for tenant in ("acme", "ACME", "../acme", "acme/..", "é", ""):
        add(log, tenant, f"of {tenant}")
    await log.close()
    for tenant in ("acme", "ACME", "../acme", "acme/..", "é", ""):
        assert await texts(log, tenant) == [f"of {tenant}"]
    folders = files(tmp_path)
    assert len(folders) == 6
    assert all(one.stat().st_mode & 0o077 == 0 for one in folders)


async def test_a_tenant_has_so_many_bytes(tmp_path: Path) -> None:
    most = 100_000
    log = ScriptLog(tmp_path, most, 7)
    for number in range(500):
        text = f"{number} " + "x" * 1_000
        line = ScriptLine(at=time.time(), script="a", run="", function="main", level="log", text=text)
        assert log._append([("acme", line)]) == (0, "")
    size = sum(one.stat().st_size for one in files(tmp_path / "acme"))
    assert most / 2 < size <= most + most / FILES + 2_000
    found = await texts(log, "acme")
    assert found[0].startswith("499 ")
    assert [int(one.split()[0]) for one in found] == list(range(499, 499 - len(found), -1))
    await log.close()


async def test_what_is_too_old_is_told_no_more_and_goes(tmp_path: Path) -> None:
    log = ScriptLog(tmp_path, 1_000_000, 7)
    add(log, "acme", "old")
    await log._write()
    file = files(tmp_path / "acme")[0]
    old = file.with_name("2020-01-01T000000.000000.jsonl")
    file.rename(old)
    long_ago = time.time() - 8 * DAY
    old.write_bytes(old.read_bytes().replace(b'"at":1', b'"at":0.1'))
    os.utime(old, (long_ago, long_ago))
    assert await texts(log, "acme") == []
    add(log, "acme", "new")
    await log.close()
    assert await texts(log, "acme") == ["new"]
    assert not old.exists()


async def test_a_disk_that_is_full_costs_lines_and_no_run(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.write_text("a file in its place")
    log = ScriptLog(folder, 1_000_000, 7)
    add(log, "acme", "lost")
    await log.close()
    assert log.dropped == 1
    assert await texts(log, "acme") == []


async def test_a_line_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    log = ScriptLog(tmp_path, 1_000_000, 7)
    add(log, "acme", "one", "half \ud800 and \x1b[2J")
    await log._write()
    file = files(tmp_path / "acme")[0]
    file.write_bytes(file.read_bytes() + b'{"at": 1, "scr')
    assert [one[:4] for one in await texts(log, "acme")] == ["half", "one"]
    assert b"\x1b" not in file.read_bytes()
    await log.close()


async def test_without_a_folder_nothing_is_kept_and_followers_are_told(tmp_path: Path) -> None:
    log = ScriptLog(None, 1_000_000, 7)
    told: list[str] = []

    async def follow() -> None:
        async for _, lines in log.follow("acme", "a"):
            told.extend(one.text for one in lines)

    following = asyncio.ensure_future(follow())
    await asyncio.sleep(0)
    add(log, "acme", "mine")
    add(log, "acme", "another script's", script_id="b")
    add(log, "beta", "another tenant's")
    await asyncio.sleep(0)
    log.stop_accepting()
    await following
    assert told == ["mine"]
    assert await texts(log, "acme") == []
    assert not log.has_room


async def test_who_does_not_read_loses_the_oldest_and_is_told_how_many() -> None:
    follower = Follower("acme", None)
    for number in range(BEHIND + 5):
        follower.tell(ScriptLine(at=number, script="a", run="", function="", level="log", text=str(number)))
    told = await follower.next_lines()
    assert told is not None
    lost, lines = told
    assert (lost, len(lines), lines[0].text) == (5, BEHIND, "5")
    follower.end()
    assert await follower.next_lines() is None


async def test_what_waits_for_a_slow_disk_is_bounded_in_lines_and_in_memory(tmp_path: Path) -> None:
    for text, most in (("x", UNWRITTEN), ("x" * 16_000, UNWRITTEN_BYTES // 16_000)):
        log = ScriptLog(tmp_path / str(len(text)), 1_000_000_000, 7)
        # Nothing is written before the loop goes on.
        for _ in range(most // 10 + 10):
            add(log, "acme", *[text] * 10)
        assert len(log._unwritten) == most
        assert log.dropped == 100
        await log.close()
        assert len(await texts(log, "acme", most=100_000)) == most


async def test_who_follows_and_does_not_read_costs_little_memory() -> None:
    follower = Follower("acme", None)
    line = ScriptLine(at=1.0, script="a", run="r", function="main", level="log", text="x" * 16_000)
    most = BEHIND_BYTES // 16_000
    for _ in range(most + 7):
        follower.tell(line)
    told = await follower.next_lines()
    assert told is not None
    assert (told[0], len(told[1])) == (7, most)


async def test_a_tenants_own_limit_is_what_is_kept_of_it(tmp_path: Path) -> None:
    own = {"acme": 20_000, "none": 0}
    log = ScriptLog(tmp_path, 1_000_000, 7, own.get)
    for tenant in ("acme", "beta", "none"):
        for _ in range(20):
            add(log, tenant, *["x" * 1_000] * 10)
            await written(log)
    await log.close()
    sizes = {folder.name: sum(one.stat().st_size for one in files(folder)) for folder in files(tmp_path)}
    assert sizes["acme"] <= 20_000 + 12_000
    assert sizes["beta"] >= 200_000
    assert sizes["none"] == 0


async def written(log: ScriptLog) -> None:
    """What was added is in its file."""
    while log._writing is not None:
        await asyncio.wait([log._writing])
