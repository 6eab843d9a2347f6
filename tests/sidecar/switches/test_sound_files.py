"""Texts and addresses made into files for a FreeSWITCH."""

import asyncio
import sys
import wave
from pathlib import Path

import pytest

from sidecar.switches import sound_files
from sidecar.switches.sound_files import SoundFiles
from sipio.call_control import MediaText, MediaUrl
from sipio.media.library import SoundLibrary
from sipio.media.settings import MediaSettings, SpeechSettings

# Speaks by writing a tenth of a second of silence for each character.
SPEAK = """
import sys, wave
with wave.open(sys.stdout.buffer, "wb") as file:
    file.setparams((1, 2, 8000, 0, "NONE", ""))
    file.writeframes(bytes(1600) * len(sys.argv[1]))
"""


@pytest.fixture
def files(tmp_path: Path) -> SoundFiles:
    speech = SpeechSettings(command=(sys.executable, "-c", SPEAK, "{text}"))
    return SoundFiles(SoundLibrary(MediaSettings(speech=speech)), tmp_path / "sounds")


async def obtained(files: SoundFiles, media: MediaText | MediaUrl) -> Path | str:
    result: asyncio.Future[Path | str] = asyncio.get_running_loop().create_future()
    files.obtain(media, result.set_result)
    async with asyncio.timeout(10):
        return await result


async def test_a_text_becomes_a_file_that_others_may_read(files: SoundFiles) -> None:
    path = await obtained(files, MediaText("abcde"))
    assert isinstance(path, Path)
    assert path.stat().st_mode & 0o777 == 0o644
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (1, 8000, 4000)
    assert await obtained(files, MediaText("abcde")) == path
    await files.close()


async def test_why_there_is_no_file_is_said_in_words(files: SoundFiles, tmp_path: Path) -> None:
    assert "not an address" in str(await obtained(files, MediaUrl("http://127.0.0.1:9/x.wav")))
    (tmp_path / "sounds").write_text("in the way")
    assert isinstance(await obtained(files, MediaText("ab")), str)
    await files.close()


async def test_the_oldest_files_go(files: SoundFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_files, "FILES", 2)
    for text in ("a", "ab", "abc", "abcd"):
        await obtained(files, MediaText(text))
    assert len(list((tmp_path / "sounds").glob("*.wav"))) == 2
    await files.close()


async def test_what_is_not_wanted_any_more_is_not_told(files: SoundFiles) -> None:
    told: list[Path | str] = []
    files.obtain(MediaText("abc"), told.append).cancel()
    await files.close()
    assert told == []
