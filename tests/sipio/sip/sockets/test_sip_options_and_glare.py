"""OPTIONS and crossing re-INVITEs on real sockets."""

import asyncio
from typing import Any

from sipio.sip.endpoint import SipListener
from sipio.sip.events import CallReceived, ReinviteFinished, SessionAnswered, SessionConfirmed
from sipio.sip.media_description import LocalMedia
from sipio.sip.message import Response, parse_message
from tests.sipio.sip.sip_endpoints import MEDIA, Recorder, endpoint

SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


class Phone(asyncio.DatagramProtocol):
    """A peer that says exactly what the test has it say."""

    def __init__(self) -> None:
        self._received: asyncio.Queue[bytes] = asyncio.Queue()
        self._transport: Any = None
        self.sequence = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ARG002 - asyncio's signature
        self._received.put_nowait(data)

    def request(self, method: str, port: int, *, to_tag: str = "", body: bytes = b"", sequence: int = 0) -> None:
        self.sequence = sequence or self.sequence + 1
        own = self._transport.get_extra_info("sockname")[1]
        lines = [
            f"{method} sip:100@127.0.0.1:{port} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bK{method}{self.sequence};rport",
            "From: <sip:phone@127.0.0.1>;tag=p1",
            "To: <sip:100@127.0.0.1>" + (f";tag={to_tag}" if to_tag else ""),
            f"Call-ID: call-of-{own}",
            f"CSeq: {self.sequence} {method}",
            f"Contact: <sip:phone@127.0.0.1:{own}>",
            "Max-Forwards: 70",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self._transport.sendto("\r\n".join([*lines, "", ""]).encode() + body, ("127.0.0.1", port))

    async def answer(self, method: str) -> Response:
        """The final answer to a request of this method."""
        async with asyncio.timeout(60):
            while True:
                message = parse_message(await self._received.get())
                if isinstance(message, Response) and message.status >= 200 and message.sequence()[1] == method:
                    return message


async def phone_at_loopback() -> Phone:
    _, phone = await asyncio.get_running_loop().create_datagram_endpoint(Phone, local_addr=("127.0.0.1", 0))
    return phone


def check_capabilities(answer: Response) -> None:
    assert answer.status == 200
    assert {"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"} <= set((answer.get("allow") or "").split(", "))
    assert answer.get("accept") == "application/sdp"
    assert "timer" in (answer.get("supported") or "")


async def test_options_outside_of_a_dialog_and_in_one() -> None:
    phone = await phone_at_loopback()
    async with endpoint(SipListener(port=0)) as (callee, heard):
        port = callee.addresses[0].port
        phone.request("OPTIONS", port)
        check_capabilities(await phone.answer("OPTIONS"))
        assert callee.sessions == 0
        phone.request("OPTIONS", port, to_tag="unknown")
        assert (await phone.answer("OPTIONS")).status == 481
        phone.request("INVITE", port, body=SDP)
        (await heard.first(CallReceived)).session.accept(MEDIA)
        answer = await phone.answer("INVITE")
        to = answer.address("to")
        assert to is not None
        tag = to.tag or ""
        phone.request("ACK", port, to_tag=tag, sequence=phone.sequence)
        await heard.first(SessionConfirmed)
        phone.request("OPTIONS", port, to_tag=tag)
        check_capabilities(await phone.answer("OPTIONS"))
        assert callee.sessions == 1
        phone.request("BYE", port, to_tag=tag)
        assert (await phone.answer("BYE")).status == 200
    phone._transport.close()


async def finished(recorder: Recorder) -> ReinviteFinished:
    found: ReinviteFinished = await recorder.first(ReinviteFinished)
    return found


async def test_reinvites_that_cross_are_both_refused_and_both_tried_again() -> None:
    listener = SipListener(port=0)
    async with endpoint(listener) as (callee, heard), endpoint(listener) as (caller, told):
        loop = asyncio.get_running_loop()
        outgoing = caller.invite(f"sip:100@127.0.0.1:{callee.addresses[0].port}", from_="sip:a@b", media=MEDIA)
        incoming = (await heard.first(CallReceived)).session
        incoming.accept(MEDIA)
        await told.first(SessionAnswered)
        await heard.first(SessionConfirmed)
        # Both in one turn of the loop: neither has heard of the other's.
        began = loop.time()
        outgoing.reinvite(LocalMedia(host="127.0.0.1", port=41_000))
        incoming.reinvite(LocalMedia(host="127.0.0.1", port=42_000))
        by_callee, by_caller = await asyncio.gather(_timed(loop, finished(heard)), _timed(loop, finished(told)))
        assert by_callee[0].status == by_caller[0].status == 200
        # RFC 3261 clause 14.1: who owns the Call-ID waits 2.1 to 4 s, the other at most 2 s. Glare once more cannot be.
        assert by_callee[1] < by_caller[1]
        assert by_caller[1] - began >= 2.1
        for session, port in ((outgoing, 42_000), (incoming, 41_000)):
            assert session.media is not None
            assert session.media.remote_port == port


async def _timed(loop: asyncio.AbstractEventLoop, waiting: Any) -> tuple[ReinviteFinished, float]:
    found = await waiting
    return found, loop.time()
