"""The files of what is kept: how many, how often, and that none costs a call anything."""

from functools import partial
from pathlib import Path

import pytest

from sidecar.configuration.tree import KeptSection
from sidecar.runs.kept_files import UNWRITTEN, KeptFiles, packed, unpacked
from sidecar.runs.kept_runs import Origin

HEAD = b"anything 1\n"
ORIGIN = Origin("here", "UTC")


def content(origin: Origin = ORIGIN) -> bytes:
    return packed(HEAD, origin)


def names_in(directory: Path) -> list[str]:
    return sorted(file.name.partition("-")[2] or file.name for file in directory.iterdir())


class Clock:
    now = 1_761_379_200.25

    def __call__(self) -> float:
        return self.now


async def test_of_one_script_no_more_than_one_a_second_is_kept(tmp_path: Path) -> None:
    clock = Clock()
    kept = KeptFiles(KeptSection(directory=tmp_path), clock)
    assert kept.add("own", "a", content) == "20251025T080000.250Z-a.kept"
    assert kept.add("own", "b", content) == ""
    assert kept.add("another", "c", content) != ""
    clock.now += 1.0
    assert kept.add("own", "d", content) != ""
    await kept.close()
    assert names_in(tmp_path) == ["a.kept", "c.kept", "d.kept"]
    assert unpacked(HEAD, (tmp_path / "20251025T080000.250Z-a.kept").read_bytes(), Origin) == ORIGIN


async def test_a_call_id_of_any_text_is_a_file_below_the_directory(tmp_path: Path) -> None:
    kept = KeptFiles(KeptSection(directory=tmp_path / "kept"), Clock())
    for number, call_id in enumerate(("../../x", "", "a" * 10_000, "\ud800\n/\0")):
        assert kept.add(f"{number}", call_id, content) != ""
    await kept.close()
    assert len(names_in(tmp_path / "kept")) == 4
    assert names_in(tmp_path) == ["kept"]


async def test_the_oldest_goes_first(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "notes.txt").write_text("mine")
    kept = KeptFiles(KeptSection(directory=tmp_path, files=3), clock)
    for number in range(5):
        clock.now += 1.0
        kept.add("own", f"{number}", content)
        await kept.close()
    assert names_in(tmp_path) == ["2.kept", "3.kept", "4.kept", "notes.txt"]


async def test_a_disk_that_takes_nothing_costs_the_file_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    clock = Clock()
    kept = KeptFiles(KeptSection(directory=tmp_path / "file" / "below"), clock)
    for _ in range(2):
        clock.now += 1.0
        assert kept.add("own", "c", content) != ""
        await kept.close()
    assert kept.dropped == 2
    assert [record.message for record in caplog.records] == ["not_kept"]


async def test_what_cannot_be_written_as_messagepack_costs_its_file_alone(tmp_path: Path) -> None:
    kept = KeptFiles(KeptSection(directory=tmp_path), Clock())
    kept.add("own", "a", partial(content, Origin("\ud800", "UTC")))
    kept.add("another", "b", content)
    await kept.close()
    assert (names_in(tmp_path), kept.dropped) == (["b.kept"], 1)


async def test_no_more_wait_for_the_disk_than_there_is_room_for(tmp_path: Path) -> None:
    kept = KeptFiles(KeptSection(directory=tmp_path), Clock())
    names = [kept.add(f"{number}", "c", content) for number in range(UNWRITTEN + 2)]
    assert names.count("") == 2
    await kept.close()
    assert kept.dropped == 2
