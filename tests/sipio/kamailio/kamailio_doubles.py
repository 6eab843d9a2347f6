"""Kamailio's side of the conversation, and routers, for the tests of sipio.kamailio."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sipio.routing import Action, Decision, RoutingRequest

INVITE = (
    b"INVITE sip:4930123@10.0.0.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK-%d\r\n"
    b'f: "Alice" <sip:15557770001@customer.example:5070>;tag=1\r\n'
    b"To: <sip:4930123@10.0.0.1>\r\n"
    b"Call-ID: call-%d\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"P-Asserted-Identity: <sip:15557770001@trunk.example>\r\n"
    b"s: compact\r\n"
    b"X-Secret: 1\r\n"
    b"x-secret: 2\r\n"
    b"Content-Length: 0\r\n\r\n"
)
PLAN = b"sip:10.1.0.1:5060|||||duid=gw-one;cost=1\nsip:10.1.0.2:5060|||||duid=gw-two;cost=2\n"


def question(
    number: int = 1,
    *,
    options: bytes = b"fp",
    plan: bytes = PLAN,
    message: bytes | None = None,
    direction: bytes = b"t",
    timeouts: int = 0,
    customer: bytes = b"acme",
    did: bytes = b"",
) -> bytes:
    """A ``call.route`` as the shipped configuration writes it."""
    invite = message if message is not None else INVITE % (number, number)
    fields = [b"r", b"%d" % (1000 + number), b"%d" % (3_000_000_000 + number), options, b"2800"]
    fields += [b"%d" % timeouts, b"20", b"10.0.0.9", b"5060", direction]
    fields += [b64encode(text) for text in (customer, b"premium", did, plan, invite)]
    return b";".join(fields)


def cancel(number: int = 1) -> bytes:
    """A ``call.cancel``; the same branch, and parameters of its own."""
    return b"x;" + b64encode(b"SIP/2.0/UDP 10.0.0.9:5060;received=10.0.0.9;branch=z9hG4bK-%d" % number)


def planned(answer: bytes) -> list[dict[str, Any]]:
    """The destinations of an answer as Kamailio takes them apart."""
    kind, _, _, plan = answer.split(b";")
    assert kind == b"r"
    found = []
    for line in b64decode(plan).decode().splitlines():
        uri, user, sender, remove, add, request_uri = line.split("|")
        found.append(
            {
                "uri": uri,
                "user": user,
                "request_uri": request_uri,
                "from": sender,
                "remove": remove.split(",") if remove else [],
                "add": b64decode(add).decode(),
            }
        )
    return found


@dataclass
class Pending:
    """Remembers whether it was cancelled."""

    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class HoldingRouter:
    """Answers when the test says so."""

    asked: list[RoutingRequest] = field(default_factory=list)
    answers: list[Callable[[Decision], None]] = field(default_factory=list)
    pendings: list[Pending] = field(default_factory=list)

    def route(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> Pending:
        self.asked.append(request)
        self.answers.append(answer)
        self.pendings.append(Pending())
        return self.pendings[-1]


class EchoRouter:
    """Answers at once with what it was asked."""

    def route(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> Pending:
        answer(Decision(action=Action.ROUTE, routing=request.routing))
        return Pending()


class KamailioReader:
    """How evapi reads (evapi_recv_client of 5.6.3 to 6.1): a buffer of 32,768 bytes, and a frame whose length
    digits are cut is thrown away with the rest of the buffer."""

    BUFFER = 32_768

    def __init__(self) -> None:
        self.waiting = b""
        self.frames: list[bytes] = []
        self._rest = b""

    def read(self) -> bool:
        """One readiness event. False: nothing was waiting."""
        room = self.BUFFER - 1 - len(self._rest)
        chunk, self.waiting = self.waiting[:room], self.waiting[room:]
        if not chunk:
            return False
        buffer, self._rest = self._rest + chunk, b""
        position = 0
        while position < len(buffer):
            start = position
            while position < len(buffer) and buffer[position : position + 1].isdigit():
                position += 1
            if position == len(buffer) or buffer[position] != ord(":") or position == start:
                return True
            length = int(buffer[start:position])
            if length + position >= len(buffer):
                self._rest = buffer[start:]
                return True
            end = position + 1 + length
            if end >= len(buffer) or buffer[end] != ord(","):
                return True
            self.frames.append(buffer[position + 1 : end])
            position = end + 1
        return True
