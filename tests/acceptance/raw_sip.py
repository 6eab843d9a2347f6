"""A caller without a SIP stack: it sends what the test says, in whatever order, and shows what comes back."""

import itertools
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from sipio.media.rtp import RtpPacket
from sipio.sip import Request, Response, parse_message
from tests.sipio.media.media_doubles import build_rtp

_numbers = itertools.count(1)


class RawCaller:
    """One call over UDP."""

    def __init__(self, host: str, daemon: tuple[str, int], destination: str) -> None:
        self.host = host
        self.daemon = daemon
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.settimeout(60)
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind((host, 0))
        self.rtp.settimeout(60)
        self.port: int = self.socket.getsockname()[1]
        self.call_id = f"raw-{next(_numbers)}-{self.port}"
        self.uri = f"sip:{destination}@{daemon[0]}:{daemon[1]}"
        self.to_tag = ""
        self.received: list[Request | Response] = []
        self._sequence = 0

    def sdp(self, direction: str = "sendrecv", version: int = 1) -> str:
        return (
            f"v=0\r\no=- 1 {version} IN IP4 {self.host}\r\ns=-\r\nc=IN IP4 {self.host}\r\nt=0 0\r\n"
            f"m=audio {self.rtp.getsockname()[1]} RTP/AVP 0 101\r\n"
            f"a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
        )

    def message(
        self,
        method: str,
        *,
        sequence: int = 1,
        branch: str = "",
        body: str = "",
        content_type: str = "application/sdp",
        to_tag: str | None = None,
    ) -> bytes:
        """A request; ``branch`` is that of its CSeq unless given."""
        tag = self.to_tag if to_tag is None else to_tag
        to = f"<{self.uri}>" + (f";tag={tag}" if tag else "")
        kind = f"Content-Type: {content_type}\r\n" if body else ""
        return (
            f"{method} {self.uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bK{self.call_id}{branch or sequence}\r\n"
            f'From: "Raw" <sip:raw@{self.host}>;tag=raw\r\nTo: {to}\r\nCall-ID: {self.call_id}\r\n'
            f"CSeq: {sequence} {method}\r\nContact: <sip:raw@{self.host}:{self.port}>\r\nMax-Forwards: 70\r\n"
            f"{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, self.daemon)

    def invite(self, *, offer: bool = True) -> bytes:
        """Send an INVITE; the bytes, to be sent again."""
        data = self.message("INVITE", body=self.sdp() if offer else "", to_tag="")
        self.send(data)
        return data

    def receive(self) -> Request | Response:
        """The next message."""
        message = parse_message(self.socket.recv(65_535))
        self.received.append(message)
        return message

    def response(self, status: int, method: str = "INVITE") -> Response:
        """The next response with this status to this method; others are passed over."""
        while True:
            message = self.receive()
            if isinstance(message, Response) and message.status == status and message.sequence()[1] == method:
                to = message.get("to") or ""
                if ";tag=" in to and method == "INVITE":
                    self.to_tag = to.partition(";tag=")[2]
                return message
            refused = isinstance(message, Response) and message.status >= 300 and message.sequence()[1] == "INVITE"
            assert not (refused and method == "INVITE"), f"{message.raw!r} instead of {status}"

    def request(self, method: str) -> Request:
        """The next request with this method."""
        while True:
            message = self.receive()
            if isinstance(message, Request) and message.method == method:
                return message

    def answer(self, request: Request, status: str = "200 OK") -> None:
        """Answer a request."""
        lines = [f"SIP/2.0 {status}"]
        lines += [f"Via: {value}" for value in request.get_all("via")]
        lines += [f"{name}: {request.get(name)}" for name in ("From", "To", "Call-ID", "CSeq")]
        self.send(("\r\n".join(lines) + "\r\nContent-Length: 0\r\n\r\n").encode())

    def ack(self, sequence: int = 1) -> None:
        self.send(self.message("ACK", sequence=sequence, branch=f"ack{sequence}"))

    def up(self) -> Response:
        """INVITE, 200, ACK."""
        self.invite()
        answer = self.response(200)
        self.ack()
        return answer

    def bye(self, sequence: int = 20) -> Response:
        self.send(self.message("BYE", sequence=sequence))
        return self.response(200, "BYE")

    @staticmethod
    def audio_of(answer: Response) -> tuple[str, int]:
        """Where the SDP wants RTP to go."""
        lines = answer.body.decode().splitlines()
        host = next(line for line in lines if line.startswith("c=")).split()[-1]
        return host, int(next(line for line in lines if line.startswith("m=audio")).split()[1])

    def rtp_packet(self, number: int, payload: bytes = b"\x7f" * 160, payload_type: int = 0, ssrc: int = 7) -> bytes:
        return build_rtp(RtpPacket(payload_type, False, number & 0xFFFF, number * 160, ssrc, payload))

    def close(self) -> None:
        self.socket.close()
        self.rtp.close()


@contextmanager
def raw_caller(daemon: tuple[str, int], destination: str, host: str = "127.0.0.67") -> Iterator[RawCaller]:
    caller = RawCaller(host, daemon, destination)
    try:
        yield caller
    finally:
        caller.close()
