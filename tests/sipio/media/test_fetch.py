"""Sounds from the web: asked for no more often than their server wants, and nowhere that is not allowed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from sipio.call_control import MediaUrl
from sipio.media.errors import FetchFailed, MediaFailed, NotAudio, SoundTooLong
from sipio.media.g711 import Law, decode
from sipio.media.library import SoundLibrary
from sipio.media.settings import FetchSettings, MediaSettings
from tests.sipio.media.media_doubles import loudest_frequency, play, signal_to_rest, wav_file

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


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
    # A handler that never ends is no reason to wait: aiohttp gives each a minute, twice.
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


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
    async with asyncio.timeout(60):
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
    with pytest.raises(FetchFailed, match=r"no address that may|not an address|not a canonical"):
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
