"""Sounds from files, speech and the web: prepared once, cached, and failing in words."""

import asyncio
import os
import shutil
import stat
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
import uvloop
from aiohttp import web

from sipio.call_control import Media, MediaFile, MediaText, MediaUrl
from sipio.media.disk_cache import DiskCache
from sipio.media.errors import FetchFailed, MediaFailed, NotAudio, SoundNotFound, SoundTooLong, SpeechFailed
from sipio.media.fetch import allow_global
from sipio.media.g711 import SILENCE, Law, decode
from sipio.media.library import SoundLibrary
from sipio.media.settings import FetchSettings, MediaSettings, SoundSettings, SpeechSettings
from sipio.media.source import Source
from sipio.media.tones import RINGBACK, cadence_audio
from sipio.media.wav_writer import WavWriter
from tests.sipio.media.media_doubles import loudest_frequency, signal_to_rest, tone

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def wav_file(path: Path, frequency: float, seconds: float = 0.2) -> Path:
    with WavWriter(path, 1) as writer:
        writer.write(tone(frequency, seconds).tobytes())
    return path


async def play(source: Source) -> bytes:
    """All of it; what is not ready yet is waited for."""
    audio = bytearray()
    async with asyncio.timeout(10):
        while (frame := source.next_frame()) is not None:
            audio += frame
            if not frame:
                await asyncio.sleep(0.001)
    return bytes(audio)


def speaking(tmp_path: Path, body: str, **changes: object) -> MediaSettings:
    """A speech command of a few lines of Python."""
    script = tmp_path / "speak.py"
    script.write_text(f"import sys, time\n{body}\n")
    speech = SpeechSettings(command=(sys.executable, "-I", str(script), "{voice}"), **changes)  # type: ignore[arg-type]
    return MediaSettings(speech=speech)


class Site:
    """A web server of one handler."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.handler: Handler | None = None
        self.port = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        assert self.handler is not None
        return await self.handler(request)

    def url(self, path: str = "/a.wav", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(application, handler_cancellation=True)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


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


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
@pytest.mark.parametrize("text", ["hello, caller", "--help", "$(touch x) `id` ; '\"", "gr\u00fc\u00dfe\0\n"])
async def test_espeak_speaks(text: str, tmp_path: Path) -> None:
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
        async with asyncio.timeout(5):
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


def everywhere(_host: str, _address: str) -> bool:
    return True


def answering(body: bytes, status: int = 200, **headers: str) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if request.headers.get("If-None-Match") and request.headers["If-None-Match"] == headers.get("ETag"):
            return web.Response(status=304, headers=named)
        return web.Response(body=body, status=status, headers=named)

    return handler


async def test_a_url_is_fetched_and_kept_as_long_as_it_says(site: Site, tmp_path: Path) -> None:
    body = wav_file(tmp_path / "a.wav", 600).read_bytes()
    cache = tmp_path / "cache"
    settings = MediaSettings(fetch=FetchSettings(cache=cache))
    site.handler = answering(body, ETag='"one"', Cache_Control="max-age=100")
    library = SoundLibrary(settings, everywhere)
    media = MediaUrl(site.url("/a.wav?secret=1"))
    first = await play(library.open(media, Law.PCMU))
    assert signal_to_rest(decode(first, Law.PCMU), 600) > 30
    assert await play(library.open(media, Law.PCMU)) == first
    assert len(site.requests) == 1
    await library.close()

    # A new engine asks whether what is on disk is still good.
    library = SoundLibrary(settings, everywhere)
    assert await play(library.open(media, Law.PCMU)) == first
    assert [request.headers.get("If-None-Match") for request in site.requests] == [None, '"one"']
    assert await play(library.open(media, Law.PCMU)) == first
    assert len(site.requests) == 2
    await library.close()


async def test_what_must_not_be_cached_is_asked_for_each_time(site: Site, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    library = SoundLibrary(MediaSettings(fetch=FetchSettings(cache=cache)), everywhere)
    media = MediaUrl(site.url())
    site.handler = answering(wav_file(tmp_path / "a.wav", 600).read_bytes(), Cache_Control="no-cache", ETag='"a"')
    first = await play(library.open(media, Law.PCMU))
    assert await play(library.open(media, Law.PCMU)) == first
    assert site.requests[-1].headers["If-None-Match"] == '"a"'
    site.handler = answering(wav_file(tmp_path / "b.wav", 900).read_bytes(), Cache_Control="no-store")
    second = await play(library.open(media, Law.PCMU))
    assert loudest_frequency(decode(second, Law.PCMU)) == pytest.approx(900, abs=5)
    assert len(site.requests) == 3
    await play(library.open(MediaUrl(site.url("/other")), Law.PCMU))
    assert len(list(cache.iterdir())) == 1
    await library.close()


async def test_what_is_repeated_is_asked_for_once(site: Site, tmp_path: Path) -> None:
    library = SoundLibrary(MediaSettings(), everywhere)
    site.handler = answering(wav_file(tmp_path / "a.wav", 600, 0.04).read_bytes(), Cache_Control="no-store")
    source = library.playlist([MediaUrl(site.url())], Law.PCMU, repeat=True)
    audio = b""
    async with asyncio.timeout(5):
        while len(audio) < 16_000:
            frame = source.next_frame()
            assert frame is not None
            audio += frame
            if not frame:
                await asyncio.sleep(0.001)
    assert len(site.requests) == 1
    await library.close()


async def test_redirects_are_followed_so_far(site: Site, tmp_path: Path) -> None:
    body = wav_file(tmp_path / "a.wav", 600).read_bytes()

    async def handler(request: web.Request) -> web.StreamResponse:
        left = int(request.path.strip("/") or 0)
        if left:
            return web.Response(status=302, headers={"Location": f"/{left - 1}"})
        return web.Response(body=body)

    site.handler = handler
    library = SoundLibrary(MediaSettings(), everywhere)
    assert len(await play(library.open(MediaUrl(site.url("/5")), Law.PCMU))) == 1_600
    with pytest.raises(FetchFailed, match="redirects too often"):
        await play(library.open(MediaUrl(site.url("/6")), Law.PCMU))
    site.handler = answering(b"", 302, Location="file:///etc/passwd")
    with pytest.raises(FetchFailed, match="no http or https URL"):
        await play(library.open(MediaUrl(site.url("/x")), Law.PCMU))
    await library.close()


async def test_failures_of_urls(site: Site) -> None:
    settings = MediaSettings(fetch=FetchSettings(timeout_seconds=0.5, body_bytes=1_000))
    library = SoundLibrary(settings, everywhere)

    async def never(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    cases: list[tuple[Handler, str, type[MediaFailed], str]] = [
        (answering(b"", 404), site.url("/1?key=secret"), FetchFailed, "/1 answers 404"),
        (answering(b"<html>"), site.url("/2"), NotAudio, "not a WAV file"),
        (answering(bytes(2_000)), site.url("/3"), MediaFailed, "not a WAV|more than"),
        (answering(b"RIFF\0\0\0\0WAVE" + b"LIST\0\1\0\0" * 500), site.url("/4"), SoundTooLong, "more than 1000"),
        (never, site.url("/5"), FetchFailed, "took over 0.5 seconds"),
        (never, "http://127.0.0.1:1/x", FetchFailed, "connect"),
        (never, "ftp://127.0.0.1/x", FetchFailed, "no http or https URL"),
        (never, "http://[::1", FetchFailed, "no "),
        (never, "http://127.0.0.1:99999/", FetchFailed, "no "),
        (never, "/etc/passwd", FetchFailed, "no http or https URL"),
    ]
    for handler, url, kind, reason in cases:
        site.handler = handler
        with pytest.raises(kind, match=reason) as caught:
            await play(library.open(MediaUrl(url), Law.PCMU))
        assert "secret" not in str(caught.value)
    await library.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"])
async def test_an_address_that_is_not_allowed_is_not_asked(host: str, site: Site) -> None:
    site.handler = answering(b"")
    library = SoundLibrary(MediaSettings())
    with pytest.raises(FetchFailed, match=r"not an address|not a canonical"):
        await play(library.open(MediaUrl(site.url(host=host)), Law.PCMU))
    assert site.requests == []
    await library.close()


async def test_nor_is_one_that_a_redirect_names(site: Site) -> None:
    site.handler = answering(b"", 302, Location="http://10.0.0.1/x")
    asked: list[tuple[str, str]] = []

    def allow(host: str, address: str) -> bool:
        asked.append((host, address))
        return address.startswith("127.")

    library = SoundLibrary(MediaSettings(), allow)
    with pytest.raises(FetchFailed, match=r"10\.0\.0\.1 is not an address"):
        await play(library.open(MediaUrl(site.url(host="localhost")), Law.PCMU))
    assert ("localhost", "127.0.0.1") in asked
    assert ("10.0.0.1", "10.0.0.1") in asked
    await library.close()


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("::ffff:10.0.0.1", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),
    ],
)
def test_what_is_global(address: str, allowed: bool) -> None:
    assert allow_global("x", address) is allowed


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
