"""Sounds over http and https, asked for again no more often than their server wants."""

import asyncio
import re
from collections import OrderedDict
from pathlib import Path
from typing import Final

import aiohttp
import msgspec
from yarl import URL

from sipio.address_gate import AllowAddress, allow_global, is_literal
from sipio.gated_resolver import GatedResolver
from sipio.media.disk_cache import DiskCache
from sipio.media.errors import FetchFailed, NotAudio, SoundTooLong
from sipio.media.filling import SoundFilling, fill_from_file
from sipio.media.settings import FetchSettings
from sipio.media.sound import Sound

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_PIECE: Final = 65_536
_REMEMBERED: Final = 10_000
"""So many URLs have their validators remembered; the one asked for longest ago is forgotten first."""
_LONGEST_URL: Final = 2_048
_LONGEST_VALIDATOR: Final = 1_024


class _Validators(msgspec.Struct, frozen=True):
    """What a later request is made conditional with (RFC 9110 clause 13.1)."""

    etag: str = ""
    last_modified: str = ""

    def headers(self) -> dict[str, str]:
        headers = {}
        if self.etag:
            headers["If-None-Match"] = self.etag
        if self.last_modified:
            headers["If-Modified-Since"] = self.last_modified
        return headers


class _Answer(msgspec.Struct, frozen=True):
    validators: _Validators
    fresh_until: float


class Fetcher:
    """Fetches sounds, so many at once. Lives on one event loop."""

    def __init__(self, settings: FetchSettings, longest_seconds: int, allow: AllowAddress = allow_global) -> None:
        self._settings: Final = settings
        self._longest_seconds: Final = longest_seconds
        self._allow: Final = allow
        self._turns: Final = asyncio.Semaphore(settings.at_once)
        self._client: aiohttp.ClientSession | None = None
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._cache: Final = (
            DiskCache(settings.cache, settings.cache_bytes, ".http") if settings.cache is not None else None
        )

    def fresh(self, url: str, now: float) -> bool:
        """Whether what was fetched from there is still good."""
        answer = self._answers.get(url)
        return answer is not None and now < answer.fresh_until

    async def fill(self, sound: Sound, url: str, previous: Sound | None) -> None:
        """Fetch into a sound, or fill it with ``previous`` or what the disk has, where the server says that this is
        still good.

        Raises FetchFailed where the address is not allowed, does not answer in time, or answers with an error; NotAudio
        where what it has is no WAV that is read; SoundTooLong where it is past a cap.
        """
        async with self._turns:
            try:
                async with asyncio.timeout(self._settings.timeout_seconds):
                    await self._fetch(sound, url, previous)
            except TimeoutError as error:
                raise FetchFailed(f"{_shown(url)} took over {self._settings.timeout_seconds:g} seconds") from error
            except (aiohttp.ClientError, OSError) as error:
                raise FetchFailed(f"{_shown(url)}: {error}") from error
            except NotAudio as error:
                raise NotAudio(f"{_shown(url)}: {error}") from error

    async def _fetch(self, sound: Sound, url: str, previous: Sound | None) -> None:
        known = self._answers.get(url)
        stored: tuple[Path, int, _Validators] | None = None
        if previous is not None and known is not None:
            validators = known.validators
        else:
            stored = await asyncio.to_thread(self._stored, url)
            validators = stored[2] if stored else _Validators()
            previous = None
        response = await self._request(url, validators.headers())
        async with response:
            if response.status == 304 and (previous is not None or stored is not None):
                if previous is not None:
                    sound.extend(previous.audio())
                elif stored is not None:
                    await fill_from_file(sound, stored[0], self._longest_seconds, stored[1])
                self._remember(url, response, validators)
                return
            if response.status != 200:
                raise FetchFailed(f"{_shown(url)} answers {response.status}")
            await self._take(sound, url, response)

    async def _take(self, sound: Sound, url: str, response: aiohttp.ClientResponse) -> None:
        validators = _Validators(
            response.headers.get("ETag", "")[:_LONGEST_VALIDATOR],
            response.headers.get("Last-Modified", "")[:_LONGEST_VALIDATOR],
        )
        kept = self._cache if "no-store" not in _cache_control(response) else None
        filling = SoundFilling(sound, self._longest_seconds, kept, msgspec.json.encode(validators) + b"\n")
        total = 0
        try:
            async for piece in response.content.iter_chunked(_PIECE):
                total += len(piece)
                if total > self._settings.body_bytes:
                    raise SoundTooLong(f"{_shown(url)} has more than {self._settings.body_bytes} bytes")
                await filling.feed(piece)
            await filling.finish(url)
        finally:
            filling.abandon()
        self._remember(url, response, validators)

    async def _request(self, url: str, conditions: dict[str, str]) -> aiohttp.ClientResponse:
        """Follow redirects to the answer that is none."""
        target = _parse(url)
        headers = {"Accept": "audio/wav, audio/x-wav, audio/*;q=0.5", "Accept-Encoding": "identity", **conditions}
        for _ in range(self._settings.redirects + 1):
            self._check(target)
            response = await self._session().get(target, headers=headers, allow_redirects=False)
            if response.status not in _REDIRECTS:
                return response
            location = response.headers.get("Location", "")
            response.release()
            if not location:
                raise FetchFailed(f"{_shown(url)} redirects to nowhere")
            target = _parse(str(target.join(URL(location))))
        raise FetchFailed(f"{_shown(url)} redirects too often")

    def _check(self, target: URL) -> None:
        # aiohttp does not ask the resolver about a host that is an address already.
        host = target.host or ""
        if is_literal(host) and not self._allow(host, host):
            raise FetchFailed(f"{host} is not an address that sounds may come from")

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=GatedResolver(self._allow), limit=self._settings.at_once),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "ScriptForge-Sidecar"},
            )
        return self._client

    def _remember(self, url: str, response: aiohttp.ClientResponse, validators: _Validators) -> None:
        control = _cache_control(response)
        age = self._settings.fresh_seconds
        if "no-store" in control or "no-cache" in control:
            age = 0.0
        elif (found := _MAX_AGE.search(control)) is not None:
            age = float(found[1])
        self._answers[url] = _Answer(validators, asyncio.get_running_loop().time() + age)
        self._answers.move_to_end(url)
        if len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)

    def _stored(self, url: str) -> tuple[Path, int, _Validators] | None:
        """The file, how long its preface is, and what the preface says."""
        path = self._cache.find(url) if self._cache is not None else None
        if path is None:
            return None
        try:
            with path.open("rb") as file:
                preface = file.readline(4 * _LONGEST_VALIDATOR)
            return path, len(preface), msgspec.json.decode(preface, type=_Validators)
        except (OSError, msgspec.MsgspecError):
            return None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()


def _cache_control(response: aiohttp.ClientResponse) -> str:
    return ", ".join(response.headers.getall("Cache-Control", [])).lower()


def _parse(url: str) -> URL:
    try:
        parsed = URL(url)
    except ValueError as error:
        raise FetchFailed(f"no URL: {_shown(url)}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host or len(url) > _LONGEST_URL:
        raise FetchFailed(f"no http or https URL: {_shown(url)}")
    return parsed


def _shown(url: str) -> str:
    """A URL as it may be shown: cut, and without its query, which may hold secrets."""
    return url.partition("?")[0][:200]
