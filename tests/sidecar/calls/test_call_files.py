"""What a script plays and records, as names of files."""

from pathlib import Path

import pytest

from sipio.call_control import (
    MediaFile,
    MediaUrl,
    Play,
    Record,
    RecordingFinished,
)
from tests.sidecar.calls.call_exchange import Exchange, main


@pytest.mark.parametrize(
    "name",
    [
        "../x.wav",
        "user/../x.wav",
        "/etc/passwd",
        "user/",
        "x.wav",
        "user/.hidden",
        "file:///etc/passwd",
        "user/a b.wav",
        "",
    ],
)
async def test_a_file_name_reaches_only_the_customers_own(name: str, tmp_path: Path) -> None:
    exchange = Exchange(main(f"try {{ await ctx.play({name!r}) }} catch (e) {{ ctx.log('no') }}"), tmp_path)
    call = exchange.call()
    assert exchange.record.log == ["no"]
    assert call.names == ["Hangup"]


async def test_a_link_out_of_the_customers_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "sounds/acme").mkdir(parents=True)
    (tmp_path / "sounds/acme/out.wav").symlink_to("/etc/passwd")
    exchange = Exchange(main("try { await ctx.play('user/out.wav') } catch (e) { ctx.log('no') }"), tmp_path)
    exchange.call()
    assert exchange.record.log == ["no"]


async def test_lists_and_addresses_to_play(tmp_path: Path) -> None:
    call = Exchange(main("await ctx.play(['ivr/a.wav', 'https://example.com/b.wav'])"), tmp_path).call()
    action = call.under_way.action
    assert isinstance(action, Play)
    assert action.media == [
        MediaFile("ivr/a.wav", (tmp_path / "sounds/ivr/a.wav").resolve()),
        MediaUrl("https://example.com/b.wav"),
    ]


async def test_recordings(tmp_path: Path) -> None:
    exchange = Exchange(main("await ctx.record('talk'); await ctx.echo()"), tmp_path)
    call = exchange.call()
    path = (tmp_path / "recordings/acme/talk.wav").resolve()
    assert call.under_way.action == Record(name="talk", path=path)
    call.under_way.end()
    call.tell(RecordingFinished(name="talk", path=path, seconds=1.0, error="disk full"))
    call.hang_up()
    assert exchange.record.recordings == ["talk"]
    assert exchange.record.warnings[0].message == "recording talk: disk full"


async def test_the_record_waits_for_its_recordings(tmp_path: Path) -> None:
    exchange = Exchange(main("await ctx.record('a')"), tmp_path)
    call = exchange.call()
    call.under_way.end()
    assert call.ended
    assert exchange.records == []
    call.tell(RecordingFinished(name="a", path=tmp_path, seconds=1.0, error="no space left for a.wav"))
    assert exchange.record.recordings == ["a"]
    assert [warning.message for warning in exchange.record.warnings] == ["recording a: no space left for a.wav"]
