"""A far end of our own, with ears: SIP and audio in the test's event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from msgspec import structs

from sipio.call_control import DigitPressed, MediaFile, PendingAction, RecordingFinished
from sipio.media.engine import MediaEngine
from sipio.media.g711 import Samples
from sipio.media.session import MediaSession
from sipio.media.settings import MediaSettings
from sipio.sip.address import Address
from sipio.sip.endpoint import SipEndpoint, SipListener
from sipio.sip.events import (
    AgentEvent,
    CallReceived,
    MediaChanged,
    SessionEnded,
    SessionEvent,
    SipEvent,
)
from sipio.sip.media_description import LocalMedia
from sipio.sip.settings import Credentials, UserAgentSettings
from tests.acceptance.hearing import Ear
from tests.acceptance.voice_daemon import read_wav

EventType = TypeVar("EventType")
SECONDS = 60.0
HEARD_PIECES = 4
"""0.2 s: a recording has it as well then, which cuts its pieces elsewhere and drops its last one."""
SILENCE_SECONDS = 0.3
"""As long as nothing is heard after the end of a sound; between two that follow each other it is 0.1 s and less."""


class FarCall:
    """One call at the far end, in or out."""

    def __init__(self, phone: "Phone", media: MediaSession) -> None:
        self._phone = phone
        self.media = media
        self.session: Any = None
        self.events: list[SipEvent] = []
        self.digits = ""
        self.recorded: list[RecordingFinished] = []
        self._changed = asyncio.Event()
        self.ear = Ear(media, self._changed.set)
        media.observer = self

    @property
    def local(self) -> LocalMedia:
        return LocalMedia(host=self.media.host, port=self.media.port)

    @property
    def id(self) -> str:
        call_id: str = self.session.call_id
        return call_id

    def session_event(self, event: SessionEvent) -> None:
        self.events.append(event)
        if isinstance(event, MediaChanged):
            self.media.start(event.media)
        elif isinstance(event, SessionEnded):
            self.media.close()
        self._changed.set()

    def digit_pressed(self, event: DigitPressed) -> None:
        self.digits += event.digit
        self._changed.set()

    def recording_finished(self, event: RecordingFinished) -> None:
        self.recorded.append(event)
        self._changed.set()

    def media_timed_out(self, seconds: float) -> None:
        pass

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait for something that an event brings about."""
        try:
            async with asyncio.timeout(SECONDS):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"never came: {what}; events: {self.events}; heard: {self.ear.tones}") from None

    async def wait_for(self, kind: type[EventType]) -> EventType:
        """The first event of a kind."""
        await self.until(lambda: any(isinstance(event, kind) for event in self.events), kind.__name__)
        return next(event for event in self.events if isinstance(event, kind))

    async def stays_up(self, seconds: float) -> None:
        """Return after so many seconds in which it has not ended: that something does not happen sets no event."""
        try:
            async with asyncio.timeout(seconds):
                ended = await self.wait_for(SessionEnded)
        except TimeoutError:
            return
        raise AssertionError(f"ended: {ended}")

    async def until_heard(self, *tones: int) -> None:
        """Return while the last of these is heard, the others before it: Hz, to 50 Hz."""

        def heard() -> bool:
            ear = self.ear
            return ear.pieces[-HEARD_PIECES:] == [tones[-1]] * HEARD_PIECES and ear.tones[-len(tones) :] == [*tones]

        await self.until(heard, f"{tones} Hz")

    async def until_silent(self) -> None:
        """Return once something was heard and nothing is any more."""
        await self.until(lambda: self.ear.tones, "something to be heard")
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(SECONDS):
            while (left := self.ear.loud_at + SILENCE_SECONDS - loop.time()) > 0:  # noqa: ASYNC110 - silence sets no event
                await asyncio.sleep(left)

    def listen(self, path: Path) -> None:
        """Keep what is heard from now on."""
        self.media.record("heard", path, stereo=True)

    async def heard(self) -> Samples:
        """What was, until now or the call's end."""
        self.media.stop_recording()
        await self.until(lambda: self.recorded, "the recording")
        assert self.recorded[0].error == ""
        return read_wav(self.recorded[0].path)[0]

    async def play(self, path: Path) -> None:
        """Say what is in a file."""
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.media.play([MediaFile(path.name, path)], done.set_result)
        await asyncio.wait_for(done, SECONDS)

    def play_on(self, path: Path) -> PendingAction:
        """Say it over and over, until it is stopped or something else is played."""
        return self.media.play([MediaFile(path.name, path)], lambda _: None, repeat=True)


class Phone:
    """Calls, and answers calls as it is told to."""

    def __init__(self, host: str, port: int, transport: str, options: dict[str, Any]) -> None:
        self.host = host
        self.engine = MediaEngine(MediaSettings(port_first=40_000, port_last=44_999, rtcp_seconds=0, timeout_seconds=0))
        self.endpoint = SipEndpoint(
            [SipListener(transport=transport, host=host, port=port, tls=options.pop("tls", None))],
            UserAgentSettings(product="phone", **options.pop("settings", {})),
            self._event,
            **options,
        )
        self.calls: list[FarCall] = []
        """That came in."""
        self.events: list[SipEvent] = []
        self.on_call: Callable[[FarCall], None] = lambda call: call.session.accept(call.local)
        self._changed = asyncio.Event()

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def port(self) -> int:
        return self.endpoint.addresses[0].port

    def uri(self, user: str = "phone") -> str:
        return f"sip:{user}@{self._host}:{self.port}"

    def call(
        self,
        uri: str,
        *,
        user: str = "4420",
        credentials: Credentials | None = None,
        telephone_event: bool = True,
        **more: Any,
    ) -> FarCall:
        """Without ``telephone_event`` its keys are tones in the audio."""
        made = FarCall(self, self.engine.open(self.host))
        media = structs.replace(made.local, telephone_event=telephone_event)
        made.session = self.endpoint.invite(
            uri, from_=f"<sip:{user}@{self._host}>", media=media, credentials=credentials, **more
        )
        made.session.driver = made
        return made

    async def rung(self, number: int = 1) -> FarCall:
        """The call that has come in."""
        await self.until(lambda: len(self.calls) >= number, "a call")
        return self.calls[number - 1]

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        try:
            async with asyncio.timeout(SECONDS):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"never came: {what}; events: {self.events}") from None

    def _event(self, event: SipEvent) -> None:
        if isinstance(event, CallReceived):
            call = FarCall(self, self.engine.open(self.host))
            call.session = event.session
            event.session.driver = call
            self.calls.append(call)
            self.on_call(call)
        elif not isinstance(event, AgentEvent):
            assert event.session.driver is not None
            event.session.driver.session_event(event)
        self.events.append(event)
        self._changed.set()


@asynccontextmanager
async def phone(
    host: str = "127.0.0.61", *, port: int = 0, transport: str = "udp", **options: Any
) -> AsyncIterator[Phone]:
    """A phone at an address of its own."""
    made = Phone(host, port, transport, options)
    await made.endpoint.start()
    try:
        yield made
    finally:
        await made.endpoint.close(1.0)
        await made.engine.close()


__all__ = ["Address", "FarCall", "Phone", "phone"]
