"""Sounds from files and speech: prepared once, cached, and failing in words."""

import asyncio
import os
import stat
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import uvloop

from sipio.call_control import Media, MediaFile, MediaText
from sipio.media.disk_cache import DiskCache
from sipio.media.errors import MediaFailed, NotAudio, SoundNotFound, SoundTooLong, SpeechFailed
from sipio.media.g711 import SILENCE, Law, decode
from sipio.media.library import SoundLibrary
from sipio.media.settings import MediaSettings, SoundSettings, SpeechSettings
from sipio.media.tones import RINGBACK, cadence_audio
from tests.acceptance.processes import require_program
from tests.sipio.media.media_doubles import loudest_frequency, play, signal_to_rest, wav_file


def speaking(tmp_path: Path, body: str, **changes: object) -> MediaSettings:
    """A speech command of a few lines of Python."""
    script = tmp_path / "speak.py"
    script.write_text(f"import sys, time\n{body}\n")
    speech = SpeechSettings(command=(sys.executable, "-I", str(script), "{voice}"), **changes)  # type: ignore[arg-type]
    return MediaSettings(speech=speech)


async def test_a_file_is_prepared_once_and_anew_when_it_is_replaced(tmp_path: Path) -> None:
    library = SoundLibrary(MediaSettings())
    media = MediaFile("a", wav_file(tmp_path / "a.wav", 500))
    first = await play(library.open(media, Law.PCMA))
    assert signal_to_rest(decode(first, Law.PCMA), 500) > 30
    path = media.path
    os.utime(wav_file(path, 900), ns=(1, 1))
    second = await play(library.open(media, Law.PCMA))
    assert loudest_frequency(decode(second, Law.PCMA)) == pytest.approx(900, abs=5)
    sounds = library._sounds
    assert len(sounds._sounds) == 2
    assert await play(library.open(media, Law.PCMA)) == second
    assert len(sounds._sounds) == 2
    await library.close()


async def test_memory_is_bounded(tmp_path: Path) -> None:
    library = SoundLibrary(MediaSettings(sounds=SoundSettings(memory_bytes=9_000)))
    for number in range(6):
        await play(library.open(MediaFile("x", wav_file(tmp_path / f"{number}.wav", 500)), Law.PCMU))
    assert library._sounds.bytes <= 9_000
    assert len(library._sounds._sounds) == 3
    await library.close()


async def test_failures_of_files(tmp_path: Path) -> None:
    library = SoundLibrary(MediaSettings(sounds=SoundSettings(longest_seconds=1)))
    (tmp_path / "no.wav").write_bytes(b"RIFF\0\0\0\0WAVE")
    cases: list[tuple[Path, type[MediaFailed]]] = [
        (tmp_path / "none.wav", SoundNotFound),
        (tmp_path / "no.wav", NotAudio),
        (wav_file(tmp_path / "long.wav", 500, 1.1), SoundTooLong),
        (tmp_path, SoundNotFound),
    ]
    for path, kind in cases:
        with pytest.raises(kind):
            await play(library.open(MediaFile(path.name, path), Law.PCMU))
    await library.close()


async def test_a_playlist_has_no_gap_and_fails_in_its_turn(tmp_path: Path) -> None:
    library = SoundLibrary(MediaSettings())
    media: list[Media] = [MediaFile(str(f), wav_file(tmp_path / f"{f}.wav", f)) for f in (500, 700)]
    for item in media:
        await play(library.open(item, Law.PCMU))
    frames = library.playlist([*media, MediaFile("gone", tmp_path / "gone")], Law.PCMU)
    audio = b"".join(frames.next_frame() or b"?" for _ in range(20))
    assert len(audio) == 3_200
    with pytest.raises(SoundNotFound, match="no such file: gone"):
        frames.next_frame()
    assert library.playlist([], Law.PCMU).next_frame() is None
    assert library.playlist([], Law.PCMU, repeat=True).next_frame() is None
    await library.close()


@pytest.mark.parametrize("text", ["hello, caller", "--help", "$(touch x) `id` ; '\"", "gr\u00fc\u00dfe\0\n"])
async def test_espeak_speaks(text: str, tmp_path: Path) -> None:
    require_program("espeak-ng")
    library = SoundLibrary(MediaSettings(speech=SpeechSettings(cache=tmp_path)))
    audio = await play(library.open(MediaText(text), Law.PCMU))
    assert len(audio) > 2_000
    assert np.abs(decode(audio, Law.PCMU)).max() > 3_000
    await library.close()
    assert len(os.listdir(tmp_path)) == 1  # noqa: PTH208 - no path of it is wanted


SPEAK = """
text = sys.stdin.read()
import wave
out = wave.open(sys.stdout.buffer, 'wb')
out.setnchannels(1); out.setsampwidth(2); out.setframerate(8000); out.setnframes(10**6)
out.writeframesraw(bytes([0, len(text)]) * 1600)
sys.stdout.flush()
"""


async def test_speech_is_cached_on_disk_and_in_memory(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    counted = SPEAK + f"open({str(tmp_path / 'count')!r}, 'a').write(sys.argv[1])\n"
    settings = speaking(tmp_path, counted, cache=cache)
    heard = []
    for _ in range(2):
        library = SoundLibrary(settings)
        both = [library.open(MediaText("hello", voice="x"), Law.PCMU) for _ in range(2)]
        heard += [await play(source) for source in both]
        await library.close()
    assert len(heard[0]) == 1_600
    assert set(heard) == {heard[0]}
    assert (tmp_path / "count").read_text() == "x"
    library = SoundLibrary(settings)
    await play(library.open(MediaText("hello", voice="y"), Law.PCMU))
    assert (tmp_path / "count").read_text() == "xy"
    assert len(list(cache.iterdir())) == 2
    await library.close()


async def test_speech_is_heard_while_it_is_made(tmp_path: Path) -> None:
    waits = SPEAK + f"import os\nwhile not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.005)\n"
    library = SoundLibrary(speaking(tmp_path, waits + "out.writeframesraw(bytes(3200)); sys.stdout.flush()"))
    source = library.open(MediaText("abc"), Law.PCMU)
    first = b""
    async with asyncio.timeout(10):
        while not first:
            first = source.next_frame() or b""
            await asyncio.sleep(0.001)
    assert len(first) == 160
    (tmp_path / "go").write_text("")
    assert len(await play(source)) == 1_440 + 1_600
    await library.close()


@pytest.mark.parametrize(
    ("body", "changes", "kind", "reason"),
    [
        ("sys.exit(3)", {}, SpeechFailed, "ended with status 3"),
        ("time.sleep(60)", {"timeout_seconds": 0.3}, SpeechFailed, "took over 0.3 seconds"),
        ("print('hello')", {}, SpeechFailed, "not a WAV file"),
        (SPEAK + "sys.stdout.buffer.write(bytes(10**6))", {"output_bytes": 500_000}, SoundTooLong, "500000 bytes"),
        (SPEAK, {"text_characters": 3}, SpeechFailed, "more than 3 characters"),
    ],
)
async def test_failures_of_speech(
    body: str, changes: dict[str, object], kind: type[MediaFailed], reason: str, tmp_path: Path
) -> None:
    library = SoundLibrary(speaking(tmp_path, body, cache=tmp_path / "cache", **changes))
    with pytest.raises(kind, match=reason):
        await play(library.open(MediaText("hello"), Law.PCMU))
    await library.close()
    assert not (tmp_path / "cache").exists() or list((tmp_path / "cache").iterdir()) == []


async def test_a_command_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    body = f"""
import os, subprocess
child = subprocess.Popen([sys.executable, '-I', '-c', 'import time; time.sleep(30)'])
with open({str(pids)!r}, 'w') as file:
    file.write(f'{{os.getpid()}} {{child.pid}}')
time.sleep(30)
"""
    library = SoundLibrary(speaking(tmp_path, body, timeout_seconds=1.0))
    with pytest.raises(SpeechFailed, match="took over"):
        await play(library.open(MediaText("hello"), Law.PCMU))
    # Its output is closed, which the child held open as well.
    for pid in pids.read_text().split():
        async with asyncio.timeout(60):
            while running(int(pid)):  # noqa: ASYNC110 - the kernel sets no event
                await asyncio.sleep(0.01)
    await library.close()


def running(pid: int) -> bool:
    """Neither gone nor waiting to be reaped by whoever has it now."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_a_command_that_ends_before_it_is_given_the_text() -> None:
    """uvloop closes the pipe at once and raises RuntimeError for what is then written."""

    async def busy() -> None:
        for _ in range(200):
            time.sleep(0.003)  # noqa: ASYNC251 - other calls' work, for which the command does not wait
            await asyncio.sleep(0)

    async def speak() -> None:
        library = SoundLibrary(MediaSettings(speech=SpeechSettings(command=("true",))))
        others = asyncio.create_task(busy())
        for number in range(20):
            with pytest.raises(SpeechFailed):
                await play(library.open(MediaText(f"hello {number}"), Law.PCMU))
        await others
        await library.close()

    uvloop.run(speak())


async def test_a_missing_command_and_a_voice_that_is_an_option() -> None:
    library = SoundLibrary(MediaSettings(speech=SpeechSettings(command=("/nonexistent/speak",))))
    with pytest.raises(SpeechFailed, match="cannot be run"):
        await play(library.open(MediaText("hello"), Law.PCMU))
    for voice in ("-w/tmp/x", "../x", "a b", "a\n"):
        with pytest.raises(SpeechFailed, match="no voice"):
            await play(library.open(MediaText("hello", voice=voice), Law.PCMU))
    await library.close()


async def test_text_as_an_argument_is_never_an_option(tmp_path: Path) -> None:
    script, said = tmp_path / "speak", tmp_path / "said"
    script.write_text(f"#!{sys.executable} -I\nimport sys\nopen({str(said)!r}, 'w').write(repr(sys.argv))\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    library = SoundLibrary(MediaSettings(speech=SpeechSettings(command=(str(script), "{text}"))))
    with pytest.raises(SpeechFailed):
        await play(library.open(MediaText("-w /tmp/x; id"), Law.PCMU))
    assert said.read_text() == repr([str(script), " -w /tmp/x; id"])
    await library.close()


def test_the_disk_cache_drops_what_was_used_longest_ago(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache", 250, ".x")
    for number in range(3):
        file = cache.begin()
        assert file is not None
        file.write(bytes(100))
        assert cache.keep(str(number), file)
        os.utime(cache.path(str(number)), ns=(number, number)) if cache.path(str(number)).exists() else None
        cache.find("0")
    assert [cache.find(str(number)) is not None for number in range(3)] == [True, False, True]
    assert DiskCache(Path("/dev/null/x"), 1, ".x").begin() is None


@pytest.mark.parametrize("country", RINGBACK)
@pytest.mark.parametrize("law", list(Law))
def test_ringing_tones(country: str, law: Law) -> None:
    cadence = RINGBACK[country]
    audio = cadence_audio(cadence, law)
    assert len(audio) == round(sum(cadence.seconds) * 8_000)
    on = decode(audio[: int(cadence.seconds[0] * 8_000)], law)
    off = audio[int(cadence.seconds[0] * 8_000) + 160 : int(sum(cadence.seconds[:2]) * 8_000)]
    strongest = np.argsort(np.abs(np.fft.rfft(on.astype(np.float64))))[-len(cadence.frequencies) :] * 8_000 / len(on)
    assert sorted(strongest) == pytest.approx(sorted(cadence.frequencies), abs=3)
    assert set(off) == {SILENCE[law][0]}
