"""A phone made of a bare socket, an observer that remembers, and an engine whose clock and ticks the test turns."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from sipio.address_gate import AllowAddress
from sipio.call_control import DigitPressed, MediaFile, RecordingFinished
from sipio.media.g711 import Law, Samples, decode
from sipio.media.library import SoundLibrary
from sipio.media.readiness import Readiness
from sipio.media.resources import MediaResources
from sipio.media.rtp import HEADER, MARKER, VERSION, RtpPacket, parse_rtp
from sipio.media.session import MediaSession
from sipio.media.settings import MediaSettings
from sipio.media.sockets import PortRange
from sipio.media.source import Source
from sipio.media.ticker import Ticker
from sipio.media.wav_writer import WavWriter
from sipio.sip.media_description import LocalMedia, MediaDirection, NegotiatedMedia

HOST = "127.0.0.1"
SETTINGS = MediaSettings(port_first=34_000, port_last=39_999, rtcp_seconds=0)


def negotiated(
    port: int,
    *,
    codec: str = "PCMU",
    event_type: int | None = 101,
    direction: MediaDirection = MediaDirection.SENDRECV,
    host: str = HOST,
) -> NegotiatedMedia:
    """What SDP would have agreed with a peer at ``port``."""
    return NegotiatedMedia(
        codec=codec,
        payload_type={"PCMU": 0, "PCMA": 8}[codec],
        receive_codecs={0: "PCMU", 8: "PCMA"},
        dtmf_payload_type=event_type,
        dtmf_receive_payload_type=event_type,
        ptime_ms=20,
        remote_host=host,
        remote_port=port,
        remote_rtcp_host=host,
        remote_rtcp_port=port + 1,
        direction=direction,
        peer_holds=not direction.sends,
        local=LocalMedia(host=HOST, port=0),
    )


def build_rtp(packet: RtpPacket) -> bytes:
    """The packet without padding, extension or contributing sources."""
    second = packet.payload_type | MARKER if packet.marker else packet.payload_type
    return HEADER.pack(VERSION, second, packet.sequence, packet.timestamp, packet.ssrc) + packet.payload


class Remembering:
    """An observer."""

    def __init__(self) -> None:
        self.digits: list[str] = []
        self.timeouts: list[float] = []
        self.recordings: list[RecordingFinished] = []
        self.recorded = asyncio.Event()
        self.pressed = asyncio.Event()

    def digit_pressed(self, event: DigitPressed) -> None:
        self.digits.append(event.digit)
        self.pressed.set()

    def recording_finished(self, event: RecordingFinished) -> None:
        self.recordings.append(event)
        self.recorded.set()

    def media_timed_out(self, seconds: float) -> None:
        self.timeouts.append(seconds)


class Result:
    """A ``done`` that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.event = asyncio.Event()

    def __call__(self, result: object) -> None:
        self.told.append(result)
        self.event.set()


class Phone:
    """The far end."""

    def __init__(self, host: str = HOST) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]
        self.sequence, self.timestamp, self.ssrc = 65_530, 0xFFFFFF00, 0x1234

    def send(self, session: MediaSession, payload: bytes, payload_type: int = 0) -> None:
        """The next packet of its stream."""
        packet = RtpPacket(payload_type, False, self.sequence, self.timestamp, self.ssrc, payload)
        self.socket.sendto(build_rtp(packet), (session.host, session.port))
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + len(payload)) & 0xFFFFFFFF

    def wait(self, samples: int) -> None:
        """Let its timestamp go on without a packet."""
        self.timestamp = (self.timestamp + samples) & 0xFFFFFFFF

    def send_event(self, session: MediaSession, payload: bytes, payload_type: int = 101) -> None:
        """A telephone-event packet at the present timestamp."""
        packet = RtpPacket(payload_type, False, self.sequence, self.timestamp, self.ssrc, payload)
        self.socket.sendto(build_rtp(packet), (session.host, session.port))
        self.sequence = (self.sequence + 1) & 0xFFFF

    def datagrams(self) -> list[bytes]:
        """All that is waiting."""
        found = []
        while True:
            try:
                found.append(self.socket.recv(2_048))
            except BlockingIOError:
                return found

    def packets(self) -> list[RtpPacket]:
        parsed = [parse_rtp(datagram) for datagram in self.datagrams()]
        return [packet for packet in parsed if packet is not None]

    def heard(self, law: Law = Law.PCMU) -> Samples:
        """The audio that is waiting, in order of arrival."""
        return decode(b"".join(packet.payload for packet in self.packets() if packet.payload_type in {0, 8}), law)

    def close(self) -> None:
        self.socket.close()


class ManualTicker(Ticker):
    """Ticks when it is told to."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.ticks: dict[Any, None] = {}

    def add(self, tick: Any) -> None:
        self.ticks[tick] = None

    def remove(self, tick: Any) -> None:
        self.ticks.pop(tick, None)


class House:
    """Sessions with time in the test's hand."""

    def __init__(self, settings: MediaSettings, allow: AllowAddress | None) -> None:
        loop = asyncio.get_running_loop()
        self.now = 1_000.0
        self.ticker = ManualTicker(loop)
        self.writers = ThreadPoolExecutor(1)
        self.library = SoundLibrary(settings, allow)
        self.resources = MediaResources(
            settings=settings,
            loop=loop,
            clock=lambda: self.now,
            ticker=self.ticker,
            readiness=Readiness(loop),
            ports=PortRange(settings.port_first, settings.port_last, settings.dscp),
            library=self.library,
            writers=self.writers,
        )
        self.sessions: list[MediaSession] = []
        self.phones: list[Phone] = []

    def open(self) -> tuple[MediaSession, Remembering]:
        session = MediaSession(HOST, self.resources.ports.open(HOST), self.resources, lambda _: None)
        session.observer = observer = Remembering()
        self.sessions.append(session)
        return session, observer

    def phone(self, host: str = HOST) -> Phone:
        phone = Phone(host)
        self.phones.append(phone)
        return phone

    async def deliver(self) -> None:
        """What is on its way arrives: loopback delivers at once, the event loop reads one datagram a turn."""
        for _ in range(4):
            await asyncio.sleep(0)

    async def tick(self, count: int = 1) -> None:
        for _ in range(count):
            self.now += 0.02
            for tick in list(self.ticker.ticks):
                tick()
            await self.deliver()

    async def tick_until(self, event: asyncio.Event, limit: int = 2_000) -> None:
        """Ticks, with time for threads, until it is set."""
        for _ in range(limit):
            if event.is_set():
                return
            await self.tick()
            await asyncio.sleep(0.0005)
        raise AssertionError("it never came")

    async def prepared(self) -> None:
        """All sounds that were asked for are ready to be played."""
        await asyncio.gather(*self.library._sounds._making)

    async def close(self) -> None:
        for session in self.sessions:
            session.close()
        self.resources.readiness.close()
        for phone in self.phones:
            phone.close()
        await self.library.close()
        if self.resources.recordings:
            await asyncio.wait(self.resources.recordings)
        self.writers.shutdown()


def tone(frequency: float, seconds: float, amplitude: float = 8_000.0, rate: int = 8_000) -> Samples:
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.int16)


def loudest_frequency(samples: Samples, rate: int = 8_000) -> float:
    """Of the whole piece."""
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64) * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


def signal_to_rest(samples: Samples, frequency: float) -> float:
    """Power at a frequency over all other power, in dB."""
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64) * np.hanning(len(samples)))) ** 2
    at = round(frequency * len(samples) / 8_000)
    near = float(spectrum[max(at - 4, 0) : at + 5].sum())
    rest = float(spectrum.sum()) - near
    return 10 * float(np.log10(near / max(rest, 1e-9)))


def wav_file(path: Path, frequency: float, seconds: float = 0.2) -> Path:
    """A WAV of one tone."""
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


def file_of(path: Path, frequency: float, seconds: float) -> MediaFile:
    """A WAV of one tone, to be played."""
    return MediaFile(path.name, wav_file(path, frequency, seconds))
