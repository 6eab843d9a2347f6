"""What peers of the SIP agent bring that is out of the ordinary, against the whole daemon."""

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sipio.sip import Request, parse_message
from tests.acceptance.raw_sip import RawCaller, raw_caller
from tests.acceptance.voice_daemon import VoiceDaemon

SCRIPTS = {
    "echo": "await ctx.answer(); await ctx.echo()",
    "digit": "await ctx.answer(); await ctx.log((await ctx.ivr(null, 2, 1, 1)).value)",
    "bridge": "await ctx.log(JSON.stringify(await ctx.bridge('trunk/t/4930123', true, true)))",
}


@pytest.fixture(scope="module")
def callee() -> Iterator[socket.socket]:
    """The socket of a gateway that the trunk leads to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.68", 0))
        made.settimeout(60)
        yield made


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, callee: socket.socket) -> Iterator[VoiceDaemon]:
    port = callee.getsockname()[1]
    accounts = f'[[trunk]]\nname = "t"\ntarget = "sip:{{number}}@127.0.0.68:{port}"\n'
    made = VoiceDaemon(tmp_path_factory.mktemp("peers"), SCRIPTS, accounts=accounts, voice="grace_seconds = 1.0")
    yield made.ready()
    made.stop()


def answer_with(callee: socket.socket, body: str) -> None:
    """Answer the call that comes with this body, and its BYE."""
    while True:
        data, peer = callee.recvfrom(65_535)
        message = parse_message(data)
        assert isinstance(message, Request)
        if message.method == "ACK":
            continue
        content = body if message.method == "INVITE" else ""
        lines = ["SIP/2.0 200 OK"]
        lines += [f"{name}: {message.get(name)}" for name in ("Via", "From", "Call-ID", "CSeq")]
        to = message.get("to") or ""
        lines.append(f"To: {to}" if ";tag=" in to else f"To: {to};tag=b")
        lines.append(f"Contact: <sip:b@127.0.0.68:{callee.getsockname()[1]}>")
        lines += ["Content-Type: application/sdp"] if content else []
        callee.sendto(("\r\n".join(lines) + f"\r\nContent-Length: {len(content)}\r\n\r\n{content}").encode(), peer)
        if message.method == "BYE":
            return


def test_a_callee_whose_codec_was_not_offered_was_never_connected(daemon: VoiceDaemon, callee: socket.socket) -> None:
    with raw_caller((daemon.host, daemon.port), "bridge") as caller:
        caller.invite()
        answer_with(
            callee,
            "v=0\r\no=- 5 5 IN IP4 127.0.0.68\r\ns=-\r\nc=IN IP4 127.0.0.68\r\nt=0 0\r\n"
            "m=audio 40000 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n",
        )
        caller.response(480)
        caller.ack()
        record = daemon.record(caller.call_id)
    result = json.loads(record["log"][0])
    assert (result["status"], result["code"], result["duration"], result["hangup_by"]) == ("failed", 488, 0, "")
    assert [(leg["what"], leg.get("code", 0)) for leg in record["legs"]] == [("ended", 488)]
    assert "answered" not in record or record["answered"] is None


def test_sdp_and_isup_in_one_invite_are_a_call(daemon: VoiceDaemon) -> None:
    with raw_caller((daemon.host, daemon.port), "echo") as caller:
        body = (
            f"--b\r\nContent-Type: application/sdp\r\n\r\n{caller.sdp()}\r\n--b\r\n"
            "Content-Type: application/isup;version=itu-t92+\r\n"
            "Content-Disposition: signal;handling=optional\r\n\r\nxyz\r\n--b--\r\n"
        )
        caller.send(caller.message("INVITE", body=body, content_type="multipart/mixed;boundary=b"))
        caller.response(200)
        caller.ack()
        caller.bye()


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", 200),
        ("application/dtmf", "Signal=5\r\n", 200),
        ("application/dtmf-relay", "5", 200),
        ("audio/telephone-event", "Signal=5\r\n", 200),
        ("application/x-foo", "5", 415),
    ],
)
def test_a_digit_in_info_is_heard_or_refused(daemon: VoiceDaemon, content_type: str, body: str, status: int) -> None:
    with raw_caller((daemon.host, daemon.port), "digit") as caller:
        caller.up()
        caller.send(caller.message("INFO", sequence=2, body=body, content_type=content_type))
        caller.response(status, "INFO")
        if status == 200:
            caller.answer(caller.request("BYE"))
            assert daemon.record(caller.call_id)["log"] == ["5"]
        else:
            caller.bye()


def probe(daemon: VoiceDaemon) -> int:
    """The status that an OPTIONS of a load balancer's gets."""
    with raw_caller((daemon.host, daemon.port), "ping") as prober:
        prober.send(prober.message("OPTIONS"))
        message = prober.receive()
        assert not isinstance(message, Request)
        assert (message.get("retry-after") is not None) == (message.status == 503)
        return message.status


def test_options_says_whether_a_call_would_be_taken(tmp_path: Path) -> None:
    daemon = VoiceDaemon(tmp_path, SCRIPTS, voice="calls = 1\ndrain_seconds = 5.0").ready()
    with ExitStack() as stack:
        stack.callback(daemon.stop)

        def up() -> RawCaller:
            caller = stack.enter_context(raw_caller((daemon.host, daemon.port), "echo"))
            caller.up()
            return caller

        assert probe(daemon) == 200
        first = up()
        assert probe(daemon) == 503
        first.bye()
        daemon.record(first.call_id)
        assert probe(daemon) == 200
        second = up()
        daemon.serving.send(signal.SIGTERM)
        daemon.serving.program.wait_for("stopping|draining|shutdown")
        assert probe(daemon) == 503
        second.bye()
        assert daemon.serving.program.finish() == 0
