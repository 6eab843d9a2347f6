"""Where everything that is played comes from: files, URLs, spoken text, tones."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from sipio.address_gate import AllowAddress, allow_global
from sipio.call_control import Media, MediaFile, MediaText, MediaUrl
from sipio.media.errors import MediaFailed, SoundNotFound
from sipio.media.fetch import Fetcher
from sipio.media.filling import fill_from_file
from sipio.media.g711 import Law
from sipio.media.settings import MediaSettings
from sipio.media.sound import Sound, SoundCache
from sipio.media.source import Playlist, SoundSource, Source
from sipio.media.speech import Speech
from sipio.media.tones import RINGBACK, RepeatedAudio, cadence_audio


class FailedSource:
    """Something that cannot be played, told when its turn comes."""

    def __init__(self, error: MediaFailed) -> None:
        self._error: Final = error

    def next_frame(self) -> bytes | None:
        raise self._error


class SoundLibrary:
    """Opens media in one law or the other; each sound is prepared once for however many calls play it."""

    def __init__(self, settings: MediaSettings, allow: AllowAddress | None = None) -> None:
        longest = settings.sounds.longest_seconds
        self._settings: Final = settings
        self._sounds: Final = SoundCache(settings.sounds.memory_bytes)
        self._speech: Final = Speech(settings.speech, longest)
        self._fetcher: Final = Fetcher(settings.fetch, longest, allow or allow_global)
        self._tones: dict[tuple[str, Law], bytes] = {}

    def playlist(self, media: Sequence[Media], law: Law, *, repeat: bool = False) -> Source:
        """Open media to be heard one after the other. What cannot be played raises MediaFailed when its turn comes."""
        return Playlist([self._opener(item, law) for item in media], repeat=repeat)

    def open(self, media: Media, law: Law) -> Source:
        """Begin to prepare it, where that was not done yet."""
        return self._opener(media, law)()

    def _opener(self, media: Media, law: Law) -> Callable[[], Source]:
        """Opens one item, any number of times: what is repeated is prepared, and asked for over the net, once."""
        prepared: Sound | None = None

        def opened() -> Source:
            nonlocal prepared
            try:
                prepared = prepared or self._sound(media, law)
            except MediaFailed as error:
                return FailedSource(error)
            return SoundSource(prepared, law)

        return opened

    def ringback(self, country: str, law: Law) -> Source:
        """The ringing tone without end; where the country is not known, the configured one's, or Europe's."""
        if country not in RINGBACK:
            country = self._settings.ringback if self._settings.ringback in RINGBACK else "eu"
        audio = self._tones.get((country, law))
        if audio is None:
            audio = self._tones[country, law] = cadence_audio(RINGBACK[country], law)
        return RepeatedAudio(audio)

    async def close(self) -> None:
        await self._sounds.close()
        await self._fetcher.close()

    def _sound(self, media: Media, law: Law) -> Sound:
        match media:
            case MediaFile():
                return self._file(media, law)
            case MediaText(text=text):
                voice = self._speech.voice(media.voice)
                key = ("text", text, voice, law)
                return self._sounds.get(key) or self._sounds.make(
                    key, law, lambda sound: asyncio.ensure_future(self._speech.fill(sound, text, voice))
                )
            case MediaUrl(url=url):
                key_of_url = ("url", url, law)
                known = self._sounds.get(key_of_url)
                if known is not None and (
                    not known.complete or self._fetcher.fresh(url, asyncio.get_running_loop().time())
                ):
                    return known
                return self._sounds.make(
                    key_of_url, law, lambda sound: asyncio.ensure_future(self._fetcher.fill(sound, url, known))
                )

    def _file(self, media: MediaFile, law: Law) -> Sound:
        path = media.path
        try:
            status = path.stat()
        except OSError as error:
            raise SoundNotFound(f"no such file: {media.name}") from error
        # A file that was replaced is another sound.
        key = ("file", str(path), status.st_mtime_ns, status.st_size, law)
        longest = self._settings.sounds.longest_seconds
        return self._sounds.get(key) or self._sounds.make(
            key, law, lambda sound: asyncio.ensure_future(fill_from_file(sound, path, longest))
        )
