"""The media of one leg: its ports, what is heard on them and what is sent, and the actions that make sound."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from sipio.call_control import (
    ActionResult,
    Collect,
    DigitPressed,
    HungUpDuring,
    Media,
    PendingAction,
    RecordingFinished,
)
from sipio.media.digit_hearing import DigitHearing
from sipio.media.digit_sender import DigitSender
from sipio.media.dtmf import EventPacket
from sipio.media.g711 import SILENCE, Law, translation
from sipio.media.incoming import IncomingStream, SocketAddress, signalled_address
from sipio.media.listening import Listening
from sipio.media.observer import MediaObserver
from sipio.media.outgoing import OutgoingStream
from sipio.media.packetization import Packetization, packetization
from sipio.media.player import ActionDone, Player
from sipio.media.resources import MediaResources
from sipio.media.rtcp_port import RtcpPort
from sipio.media.rtp import LARGEST_DATAGRAM, RtpPacket
from sipio.media.sockets import PortPair
from sipio.media.source import Source
from sipio.media.statistics import MediaStatistics
from sipio.sip.media_description import NegotiatedMedia

_BEAT_TICKS: Final = 50
"""Timeouts and reports are looked at once a second."""


class MediaSession:
    """Made by `engine.MediaEngine.open`. play, echo and collect replace each other: the one replaced is Stopped.

    Every ``done`` is called once, never before the method has returned: Done when all was sent, Failed, Stopped,
    HungUpDuring when the session is closed meanwhile.
    """

    def __init__(self, host: str, ports: PortPair, resources: MediaResources, closed: Callable[["MediaSession"], None]):
        self.host: Final = host
        self.port: Final = ports.port
        self.observer: MediaObserver | None = None
        self.partner: MediaSession | None = None
        """Who hears this session; a `relay.Relay` sets it."""
        self._ports: Final = ports
        self._resources: Final = resources
        self._closed_callback: Final = closed
        self._clock: Final = resources.clock
        settings = resources.settings
        self._send: Final = ports.rtp.sendto
        self._outgoing: Final = OutgoingStream()
        self._incoming: Final = IncomingStream(settings.relatch_seconds)
        self._rtcp: Final = RtcpPort(ports.rtcp, settings.rtcp_seconds, self._outgoing, self._clock)
        self._player: Final = Player(resources.library, resources.loop)
        self._digit_sender: Final = DigitSender()
        self._digit_hearing: Final = DigitHearing(settings.inband_digits)
        self._listening: Final = Listening(resources)
        self._started = False
        self._runs = False
        self.closed = False
        self._law = Law.PCMU
        self._payload_type = 0
        self._event_type: int | None = None
        self._packetization: Packetization | None = None
        """None where each frame is a packet."""
        self._sends = False
        self._signalled: SocketAddress | None = None
        self._target: SocketAddress | None = None
        self._restarts = 0
        self._beat = _BEAT_TICKS
        self._timeout_told_for = -1.0
        self._ssrc_changed = False
        self._unsent = 0
        self._recordings = 0
        """Recordings that are not finished."""
        resources.readiness.add(ports.rtp, self._rtp_readable)
        resources.readiness.add(ports.rtcp, self._rtcp_readable)

    def start(self, media: NegotiatedMedia) -> None:
        """Send and receive as agreed; again with every `MediaChanged`. A changed remote address is believed, and so
        is the first source that RTP then comes from (symmetric RTP)."""
        if self.closed:
            return
        law = Law(media.codec)
        signalled = signalled_address(media.remote_host, media.remote_port)
        self._incoming.configure(
            laws={number: Law(name) for number, name in media.receive_codecs.items()},
            event_type=media.dtmf_receive_payload_type,
            signalled=signalled,
            receives=media.direction.receives,
            expected=media.direction.receives and not media.peer_holds,
            now=self._clock(),
        )
        if signalled != self._signalled or not self._started:
            self._signalled = self._target = signalled
            self._rtcp.signalled(signalled_address(media.remote_rtcp_host, media.remote_rtcp_port))
        if law is not self._law:
            self._law = law
            self._player.set_law(law)
            self._listening.set_law(law)
        self._packetization = packetization(media.ptime_ms)
        self._payload_type = media.payload_type
        self._event_type = media.dtmf_payload_type
        if self._sends and not media.direction.sends:
            self._outgoing.pause()
        self._sends = media.direction.sends
        self._digit_hearing.agree(has_events=media.dtmf_receive_payload_type is not None)
        self._started = True
        self.run()

    def run(self) -> None:
        """Let time pass although nothing may have been agreed yet: what is played then is heard by nobody, and ends
        when it would have."""
        if not self._runs and not self.closed:
            self._runs = True
            self._resources.ticker.add(self._tick)

    def count_silence(self) -> None:
        """Count the peer's silence from now: before the answer nobody has to send anything."""
        self._incoming.lives(self._clock())
        self._timeout_told_for = -1.0

    def lives(self, at: float) -> bool:
        """Take note that the peer was alive then, by the loop's clock, as its SIP may tell: `media_timed_out` counts
        from there. False where it was heard from later than that."""
        return self._incoming.lives(at)

    def play(self, media: Sequence[Media], done: ActionDone, *, repeat: bool = False) -> PendingAction:
        """Play one after the other; over and over with ``repeat``."""
        return self._action(self._player.play(media, done, repeat=repeat))

    def play_source(self, source: Source, done: ActionDone) -> PendingAction:
        """Play a source whose frames are in the session's law."""
        return self._action(self._player.play_source(source, done))

    def play_ringback(self, country: str = "") -> PendingAction:
        """The ringing tone until stopped or replaced; empty for the configured country's."""
        return self._action(self._player.ringback(country))

    def echo(self, delay_ms: int, done: ActionDone) -> PendingAction:
        """Send back what is received until stopped. The jitter buffer adds 40 ms and more to the delay."""
        # An echo that this one replaces lets go of the buffer, so ours comes after.
        action = self._player.echo(lambda: self._listening.heard, delay_ms, self._echo_done(done))
        self._listening.echo()
        return self._action(action)

    def collect(self, action: Collect, done: ActionDone) -> PendingAction:
        """Collect digits; the `Done` that ``done`` is told carries `Digits`."""
        return self._action(self._player.collect(action, done))

    def digit(self, digit: str, duration_ms: int = 0) -> None:
        """A digit that came by SIP INFO: blocked, collected, relayed and told as any other."""
        if self._digit_hearing.blocks(digit):
            return
        if self.partner is not None:
            self.partner.send_digits(digit, duration_ms or 100)
        self._digit_heard(digit, duration_ms)

    def send_digits(self, digits: str, duration_ms: int = 100) -> None:
        """Send digits as telephone-events where they were agreed, else in the audio. Anything but ``0-9*#A-D`` is left
        out."""
        self._digit_sender.add(digits, duration_ms)

    def block_digits(self, digits: str = "") -> None:
        """Tell, collect and relay these digits no more; all digits where ``digits`` is empty."""
        self._digit_hearing.block(digits)

    def record(self, name: str, path: Path, *, stereo: bool = False) -> None:
        """Record what is received and what is sent, mixed, or received left and sent right, until the session is
        closed or stop_recording(). `MediaObserver.recording_finished` follows. One that is under way is ended.

        Raises RecordingFailed where the file cannot be made.
        """
        self._listening.record(name, path, stereo=stereo, finished=self._recording_finished)
        self._recordings += 1

    def stop_recording(self) -> None:
        self._listening.stop_recording()

    def statistics(self) -> MediaStatistics:
        incoming = self._incoming
        reception = incoming.reception
        return MediaStatistics(
            packets_sent=self._outgoing.packets,
            packets_received=reception.received if reception else 0,
            packets_lost=max(reception.lost, 0) if reception else 0,
            packets_late=self._listening.late,
            jitter_ms=reception.jitter / 8 if reception else 0.0,
            wrong_source=incoming.wrong_source,
            garbage=incoming.garbage + self._rtcp.reports.garbage,
            unsent=self._unsent + self._rtcp.unsent,
            round_trip_ms=self._rtcp.reports.round_trip_ms,
            remote_lost=self._rtcp.reports.remote_lost,
        )

    def close(self) -> None:
        """Free the ports, end everything. Idempotent."""
        if self.closed:
            return
        self.closed = True
        if self._started:
            self._rtcp.close(self._incoming.reception, self._target)
        if self.partner is not None and self.partner.partner is self:
            self.partner.partner = None
        self.partner = None
        self._resources.ticker.remove(self._tick)
        self._resources.readiness.remove(self._ports.rtp)
        self._resources.readiness.remove(self._ports.rtcp)
        self._resources.ports.release(self.host, self._ports)
        self.stop_recording()
        self._closed_callback(self)
        self._player.end(HungUpDuring())
        self._let_go()

    def _let_go(self) -> None:
        """Forget the observer once nothing is left to tell it: it knows this session, and the collector comes late."""
        if self.closed and not self._recordings:
            self.observer = None

    # ---- what a relay calls ----

    def relay_audio(self, packet: RtpPacket, law: Law) -> None:
        """Send what the partner heard, unless we are playing something ourselves."""
        if self._player.source is not None or self._target is None or not self._sends or self._digit_sender.busy:
            return
        table = translation(law, self._law)
        payload = packet.payload if table is None else packet.payload.translate(table)
        datagram, timestamp = self._outgoing.relayed(packet, self._payload_type, payload)
        self._transmit(datagram)
        self._listening.relayed(timestamp, payload)

    def relay_event(self, packet: RtpPacket, digit: str) -> None:
        """Send on the partner's telephone-event; as a tone where our peer has none. ``digit`` is given with the first
        packet of each."""
        if self._event_type is None:
            self._outgoing.withhold(packet)
            if digit:
                self.send_digits(digit)
        elif self._target is not None and self._sends and not self._digit_sender.busy:
            self._transmit(self._outgoing.relayed_event(packet, self._event_type))

    def withhold(self, packet: RtpPacket) -> None:
        """The partner's packet is not for us, and not to look lost."""
        self._outgoing.withhold(packet)

    # ---- receiving ----

    def _rtp_readable(self) -> None:
        try:
            datagram, source = self._ports.rtp.recvfrom(LARGEST_DATAGRAM)
        except OSError:
            # Nothing there after all, or an ICMP error of an earlier packet.
            return
        self.receive(datagram, source[:2])

    def _rtcp_readable(self) -> None:
        received = self._rtcp.read()
        if received is not None and self._rtcp_received(*received):
            self._rtcp.answer_to(received[1])

    def _rtcp_received(self, datagram: bytes, source: SocketAddress) -> bool:
        """Take a datagram with reports. False, and not looked at, where it is not from the peer's machine."""
        incoming = self._incoming
        if not incoming.is_peers(source[0]) and not self._rtcp.is_signalled(source[0]):
            return False
        if self._rtcp.receive(datagram):
            # RFC 3550 clause 6.3.5: a participant is there as long as RTP or RTCP comes.
            incoming.lives(self._clock())
        return True

    def receive(self, datagram: bytes, source: SocketAddress) -> None:
        """Take one datagram that came on the RTP port. Never raises."""
        if len(datagram) > 1 and 192 <= datagram[1] < 224:
            # RFC 5761 clause 4: RTCP on the RTP port, which some peers send unasked. No payload type that we agree to
            # has such a second byte.
            self._rtcp_received(datagram, source)
            return
        incoming = self._incoming
        now = self._clock()
        packet = incoming.packet(datagram, source, now)
        if packet is None:
            return
        if source != self._target:
            self._target = source
        if incoming.restarts != self._restarts:
            self._source_changed(packet)
        law = incoming.laws.get(packet.payload_type)
        if law is None:
            if packet.payload_type == incoming.event_type:
                self._event_packet(packet, now)
            return
        if self.partner is not None:
            self.partner.relay_audio(packet, law)
        self._listening.received(packet.timestamp, packet.payload, law)
        if self._digit_hearing.listens and incoming.step > 0:
            for digit in self._digit_hearing.audio(packet.payload, law):
                self._digit_heard(digit, 0)

    def _source_changed(self, packet: RtpPacket) -> None:
        self._restarts = self._incoming.restarts
        self._listening.restart()
        if packet.ssrc == self._outgoing.ssrc and not self._ssrc_changed:
            # RFC 3550 clause 8.2. Once: a peer that mirrors our packets has our SSRC whatever it is, and its audio is
            # taken all the same.
            self._ssrc_changed = True
            self._outgoing.change_source()

    def _event_packet(self, packet: RtpPacket, now: float) -> None:
        begun, blocked = self._digit_hearing.event(packet, now)
        if self.partner is not None:
            if blocked:
                self.partner.withhold(packet)
            else:
                self.partner.relay_event(packet, begun)
        if begun:
            self._digit_heard(begun, 0)

    def _digit_heard(self, digit: str, duration_ms: int) -> None:
        # Told before it completes a Collect, so that the order of the two is that of the call.
        if self.observer is not None:
            self.observer.digit_pressed(DigitPressed(digit=digit, duration_ms=duration_ms))
        self._player.digit(digit)

    # ---- sending ----

    def _tick(self) -> None:
        if self.closed:
            return
        outgoing = self._outgoing
        outgoing.tick()
        self._listening.tick()
        frame: bytes | None = None
        if self._digit_sender.busy:
            frame = self._digit_frame()
        elif self._player.source is not None:
            frame = self._player.next_frame()
            if self.closed:
                return
        if frame is None and self.partner is None and self._resources.settings.comfort_silence:
            frame = SILENCE[self._law]
        if self._packetization is not None:
            self._send_packets(self._packetization, frame)
        elif frame and self._sends and self._target is not None:
            self._transmit(outgoing.audio(self._payload_type, frame))
        self._listening.record_frame(frame)
        self._beat -= 1
        if not self._beat:
            self._beat = _BEAT_TICKS
            self._every_second()

    def _send_packets(self, packetization: Packetization, frame: bytes | None) -> None:
        rest = None if frame else packetization.rest()
        packets = packetization.frame(frame) if frame else [rest] if rest else []
        if self._sends:
            for begins, payload in packets:
                self._transmit(self._outgoing.audio(self._payload_type, payload, begins))

    def _digit_frame(self) -> bytes | None:
        """Audio to send, nothing where an event was sent, None where there is no digit any more."""
        item = self._digit_sender.next(self._law, events=self._event_type is not None)
        if not isinstance(item, EventPacket):
            return item
        if self._event_type is not None and self._sends and self._target is not None:
            if self._packetization is not None:
                self._send_packets(self._packetization, None)
            self._transmit(self._outgoing.event(self._event_type, item.payload, begins=item.begins))
        return b""

    def _transmit(self, datagram: bytes) -> None:
        target = self._target
        if target is None:
            return
        try:
            self._send(datagram, target)
        except OSError:
            # A full socket buffer, or no route: RTP does not wait.
            self._unsent += 1

    # ---- once a second ----

    def _every_second(self) -> None:
        now = self._clock()
        self._rtcp.every_second(self._incoming.reception, self._target, now)
        incoming = self._incoming
        limit = self._resources.settings.timeout_seconds
        if (
            limit
            and incoming.expected
            and now - incoming.alive_at >= limit
            and self._timeout_told_for != incoming.alive_at
        ):
            self._timeout_told_for = incoming.alive_at
            if self.observer is not None:
                self.observer.media_timed_out(now - incoming.alive_at)

    # ---- ends ----

    def _action(self, action: PendingAction) -> PendingAction:
        if self.closed:
            self._resources.loop.call_soon(self._player.end, HungUpDuring())
        return action

    def _echo_done(self, done: ActionDone) -> ActionDone:
        def finished(result: ActionResult) -> None:
            self._listening.end_echo()
            done(result)

        return finished

    def _recording_finished(self, event: RecordingFinished) -> None:
        self._recordings -= 1
        if self.observer is not None:
            self.observer.recording_finished(event)
        self._let_go()
