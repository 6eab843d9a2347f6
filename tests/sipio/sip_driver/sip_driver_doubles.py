"""SIP sessions and media in memory: what the driver asks of them is noted, what they tell it comes from the test."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sipio.call_control import (
    ActionResult,
    CallAction,
    CallEvent,
    CallOffer,
    Done,
    HungUpDuring,
    PendingAction,
    Stopped,
)
from sipio.media.errors import NoFreePort, RecordingFailed
from sipio.sip.address import Address
from sipio.sip.events import (
    DigitReceived,
    EndedBy,
    MediaChanged,
    SessionAnswered,
    SessionConfirmed,
    SessionEnded,
    SessionProgressed,
)
from sipio.sip.listeners import MediaAddress
from sipio.sip.media_description import LocalMedia, MediaDirection, NegotiatedMedia
from sipio.sip.message import Request, Response, parse_message
from sipio.sip.registrar import Binding
from sipio.sip_driver.call import SipCall
from sipio.sip_driver.settings import SipDriverSettings

AGREED = NegotiatedMedia(
    codec="PCMU", payload_type=0, receive_codecs={0: "PCMU"}, dtmf_payload_type=101, dtmf_receive_payload_type=101,
    ptime_ms=20, remote_host="192.0.2.1", remote_port=4_000, remote_rtcp_host="192.0.2.1", remote_rtcp_port=4_001,
    direction=MediaDirection.SENDRECV, peer_holds=False, local=LocalMedia(host="192.0.2.9", port=5_000),
)  # fmt: skip


def _response(status: int) -> Response:
    message = parse_message(f"SIP/2.0 {status} X\r\nVia: SIP/2.0/UDP x\r\n\r\n".encode())
    assert isinstance(message, Response)
    return message


def request_of(max_forwards: str) -> Request:
    """An INVITE that came by so many hops less."""
    header = f"Max-Forwards: {max_forwards}\r\n" if max_forwards else ""
    message = parse_message(f"INVITE sip:100@x SIP/2.0\r\nVia: SIP/2.0/UDP x\r\n{header}\r\n".encode())
    assert isinstance(message, Request)
    return message


class MemorySession:
    """The session of the caller, or of another leg. ``did`` is what the driver had it do."""

    def __init__(self) -> None:
        self.driver: Any = None
        self.request = request_of("70")
        self.answered = False
        self.ended = False
        self.media: NegotiatedMedia | None = None
        self.has_offer = True
        self.heard_at = 0.0
        self.did: list[tuple[Any, ...]] = []

    # What the driver does.

    def ring(self) -> None:
        self.did.append(("ring",))

    def progress(self, media: LocalMedia) -> None:
        self.did.append(("progress", media.host, media.port))
        if self.has_offer:
            self.agree(early=True)

    def accept(self, media: LocalMedia, headers: list[tuple[str, str]] | None = None) -> None:  # noqa: ARG002 - as the real one
        self.did.append(("accept", headers or []))
        self.answered = True
        if self.has_offer and self.media is None:
            self.agree()

    def reject(self, code: int, reason: str, headers: list[tuple[str, str]]) -> None:
        self.did.append(("reject", code, reason, headers))
        self.end_as(EndedBy.US, status=code, reason=reason)

    def bye(self, headers: list[tuple[str, str]] | None = None) -> None:
        self.did.append(("bye", headers or []))
        self.end_as(EndedBy.US, reason="BYE")

    def cancel(self) -> None:
        self.did.append(("cancel",))

    def end_without_media(self) -> None:
        self.end_as(EndedBy.SYSTEM, status=503, reason="no media")

    # What happens to it.

    def tell(self, event: Any) -> None:
        self.driver.session_event(event)

    def agree(self, *, early: bool = False) -> None:
        self.media = AGREED
        self.tell(MediaChanged(session=self, media=AGREED, early=early))  # type: ignore[arg-type]

    def confirm(self) -> None:
        self.tell(SessionConfirmed(session=self))  # type: ignore[arg-type]

    def press(self, digit: str) -> None:
        self.tell(DigitReceived(session=self, digit=digit, duration_ms=160))  # type: ignore[arg-type]

    def ring_back(self, status: int = 180) -> None:
        self.tell(
            SessionProgressed(session=self, status=status, reason="", response=_response(status))  # type: ignore[arg-type]
        )

    def answer(self) -> None:
        self.answered = True
        self.agree()
        self.tell(SessionAnswered(session=self, response=_response(200)))  # type: ignore[arg-type]

    def end_as(self, by: EndedBy, *, status: int = 0, reason: str = "", cause: int = 0) -> None:
        if self.ended:
            return
        self.ended = True
        self.tell(
            SessionEnded(
                session=self,  # type: ignore[arg-type]
                by=by, answered=self.answered, status=status, reason=reason, cause=cause, headers=[("X-End", "1")],
            )
        )  # fmt: skip


class MemoryActivity:
    """Something that is played, echoed or collected."""

    def __init__(self, what: tuple[Any, ...], done: Callable[[ActionResult], None]) -> None:
        self.what = what
        self._done = done
        self.finished = False

    def finish(self, result: ActionResult | None = None) -> None:
        if not self.finished:
            self.finished = True
            self._done(result if result is not None else Done())

    def stop(self) -> None:
        self.finish(Stopped())


class MemoryMedia:
    """The media of one leg."""

    def __init__(self, engine: "MemoryEngine", port: int) -> None:
        self.host = "127.0.0.1"
        self.port = port
        self.engine = engine
        self.observer: Any = None
        self.activity: MemoryActivity | None = None
        self.started: list[NegotiatedMedia] = []
        self.digits = ""
        self.blocked: list[str] = []
        self.recordings: list[tuple[str, Path, bool]] = []
        self.runs = False
        self.silence_counted = 0
        self.alive_at = 0.0
        self.closed = False

    def start(self, media: NegotiatedMedia) -> None:
        self.started.append(media)

    def run(self) -> None:
        self.runs = True

    def count_silence(self) -> None:
        self.silence_counted += 1

    def lives(self, at: float) -> bool:
        before, self.alive_at = self.alive_at, max(at, self.alive_at)
        return self.alive_at > before

    def _begin(self, done: Callable[[ActionResult], None], *what: Any) -> MemoryActivity:
        if self.activity is not None:
            self.activity.stop()
        self.activity = MemoryActivity(what, done)
        return self.activity

    def play(self, media: Any, done: Callable[[ActionResult], None], *, repeat: bool = False) -> PendingAction:
        return self._begin(done, "play", media, repeat)

    def play_ringback(self) -> PendingAction:
        return self._begin(lambda _: None, "ringback")

    def echo(self, delay_ms: int, done: Callable[[ActionResult], None]) -> PendingAction:
        return self._begin(done, "echo", delay_ms)

    def collect(self, action: Any, done: Callable[[ActionResult], None]) -> PendingAction:
        return self._begin(done, "collect", action)

    def digit(self, digit: str, duration_ms: int = 0) -> None:  # noqa: ARG002 - as the real one
        self.digits += digit

    def block_digits(self, digits: str = "") -> None:
        self.blocked.append(digits)

    def record(self, name: str, path: Path, *, stereo: bool = False) -> None:
        if name == "impossible":
            raise RecordingFailed("impossible.wav cannot be written: Permission denied")
        self.recordings.append((name, path, stereo))

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.engine.open_sessions.remove(self)
            if self.activity is not None:
                self.activity.finish(HungUpDuring())


class MemoryRelay:
    def __init__(self, pair: tuple[MemoryMedia, MemoryMedia]) -> None:
        self.pair = pair
        self.closed = False

    def close(self) -> None:
        self.closed = True


class MemoryEngine:
    def __init__(self) -> None:
        self.open_sessions: list[MemoryMedia] = []
        self.relays: list[MemoryRelay] = []
        self.ports = 100

    def open(self, host: str) -> MemoryMedia:  # noqa: ARG002 - as the real one
        if not self.ports:
            raise NoFreePort("every RTP port is taken")
        self.ports -= 1
        media = MemoryMedia(self, 10_000 + 2 * self.ports)
        self.open_sessions.append(media)
        return media

    def bridge(self, first: MemoryMedia, second: MemoryMedia) -> MemoryRelay:
        self.relays.append(MemoryRelay((first, second)))
        return self.relays[-1]


class MemoryEndpoint:
    """Calls out; what was asked for is in ``asked``."""

    def __init__(self) -> None:
        self.legs: list[MemorySession] = []
        self.asked: list[dict[str, Any]] = []
        self.bindings: dict[str, list[Binding]] = {}
        self.error: Exception | None = None

    def invite(self, target: str, **options: Any) -> MemorySession:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        leg = MemorySession()
        local = options["media"](Address("udp", "192.0.2.9", 5060))
        if local is None:
            # Told later, as by the real one.
            asyncio.get_running_loop().call_soon(leg.end_without_media)
            return leg
        self.legs.append(leg)
        self.asked.append({"target": target} | options | {"media": local})
        return leg

    def media_address(self, local: Address, remote_host: str = "") -> MediaAddress:  # noqa: ARG002 - as the real one
        return MediaAddress(local.host, local.host)

    def contacts(self, user: str) -> list[Binding]:
        return self.bindings.get(user, [])


class Exchange:
    """One call of the driver, with all around it in memory."""

    def __init__(self, settings: SipDriverSettings | None = None, *, taken: bool = True) -> None:
        self.session = MemorySession()
        self.engine = MemoryEngine()
        self.endpoint = MemoryEndpoint()
        self.media = self.engine.open("")
        self.events: list[CallEvent] = []
        self.call = SipCall(
            self.session,  # type: ignore[arg-type]
            self.media,  # type: ignore[arg-type]
            self.engine,  # type: ignore[arg-type]
            self.endpoint,  # type: ignore[arg-type]
            settings or SipDriverSettings(),
            CallOffer(id="c1", driver="sip", from_user="4420", to_user="100"),
            media_host="192.0.2.9",
        )
        self.session.driver = self.call
        if taken:
            self.call.take(self)

    def event(self, event: CallEvent) -> None:
        self.events.append(event)

    def perform(self, action: CallAction) -> tuple[PendingAction, list[ActionResult]]:
        """The action under way, and its results: none yet, or one."""
        results: list[ActionResult] = []
        return self.call.perform(action, results.append), results

    def up(self) -> "Exchange":
        """Answered and confirmed."""
        self.session.accept(self.call.local_media())
        self.session.confirm()
        return self

    def names(self) -> list[str]:
        """What the caller's session was made to do."""
        return [step[0] for step in self.session.did]

    def told(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]
