"""What peers, networks and scripts do wrong to calls, and what becomes of the calls."""

import json
import random
import socket
import time
from collections.abc import Iterator

import pytest

from tests.acceptance.raw_sip import RawCaller, raw_caller
from tests.acceptance.voice_daemon import VoiceDaemon, write_wav
from tests.sipio.media.media_doubles import tone

SCRIPTS = {
    "patient": "await ctx.waitForHangup()",
    "echo": "await ctx.answer(); await ctx.echo()",
    "brief": "await ctx.answer()",
    "digits": """const heard = ctx.waitFor('5');
        await ctx.answer();
        await ctx.log('heard ' + await heard);
        await ctx.waitForHangup();""",
    "never": "await new Promise((done) => setTimeout(done, 100000))",
    "stuck": "await new Promise(() => {})",
    "endless": "for (;;);",
    "answered_endless": "await ctx.answer(); for (;;);",
    "twice": "await ctx.answer(); await ctx.answer(); await ctx.log('both'); ",
    "after": """await ctx.answer();
        await ctx.waitForHangup();
        try { await ctx.play('user/tone.wav') } catch (error) { await ctx.log(error.name) }""",
    "hangs_up_and_plays": """await ctx.answer();
        await ctx.hangup();
        try { await ctx.play('user/tone.wav') } catch (error) { await ctx.log(error.name) }""",
    "thousand_waits": """const waits = [];
        for (let n = 0; n < 1000; n++) waits.push(ctx.waitFor('never').then(() => 'heard', (error) => error.name));
        const counts = {};
        await ctx.answer();
        for (const name of await Promise.all(waits)) counts[name] = (counts[name] || 0) + 1;
        await ctx.log(JSON.stringify(counts));""",
    "thousand_actions": """await ctx.answer();
        const all = [ctx.play('user/tone.wav')];
        for (let n = 0; n < 990; n++) all.push(ctx.blockDtmf('1'));
        await Promise.all(all);
        await ctx.log('done');""",
    "too_many_actions": """const all = [ctx.answer().then(() => 'done', (error) => error.message)];
        for (let n = 0; n < 1100; n++) all.push(ctx.tts('x').then(() => 'done', (error) => error.message));
        const counts = {};
        for (const said of await Promise.all(all)) counts[said] = (counts[said] || 0) + 1;
        await ctx.log(Object.keys(counts).sort().join(' | '));""",
    "throws": "throw new Error('603 Decline')",
    "fails": "await ctx.answer(); undefined.property",
    "lingers": """await ctx.answer(); try { await ctx.echo() } catch {}
        await new Promise((done) => setTimeout(done, 100000))""",
    "grows": "await ctx.answer(); const all = []; for (;;) all.push(new Array(100000).fill(7));",
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceDaemon]:
    made = VoiceDaemon(
        tmp_path_factory.mktemp("voice"),
        SCRIPTS,
        voice="grace_seconds = 1.0",
        sip="media_timeout_seconds = 1.0",
        more="[sandbox]\ncpu_ms = 300",  # well below the media's time, of which a busy machine gives a part
    )
    write_wav(made.sounds / "acme" / "tone.wav", tone(700, 0.1))
    yield made.ready()
    made.stop()


@pytest.fixture
def caller(daemon: VoiceDaemon, request: pytest.FixtureRequest) -> Iterator[RawCaller]:
    """A caller of the destination that the test is marked with."""
    with raw_caller((daemon.host, daemon.port), request.param) as made:
        yield made


def calls(destination: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("caller", [destination], indirect=True)


# ---- signalling ----


@calls("patient")
def test_an_invite_sent_again_while_it_rings_is_one_call(daemon: VoiceDaemon, caller: RawCaller) -> None:
    before = daemon.position
    invite = caller.invite()
    first = caller.response(180)
    for _ in range(3):
        caller.send(invite)
        assert caller.response(180).get("to") == first.get("to")
    caller.send(caller.message("CANCEL", to_tag=""))
    caller.response(200, "CANCEL")
    caller.response(487)
    caller.ack()
    (record,) = daemon.records(1, before)
    assert (record["id"], record["hangup_by"], record["reason"]) == (caller.call_id, "caller", "CANCEL")


@calls("echo")
def test_an_invite_sent_again_after_200_is_one_call_and_the_200_comes_until_the_ack(
    daemon: VoiceDaemon, caller: RawCaller
) -> None:
    before = daemon.position
    invite = caller.invite()
    first = caller.response(200)
    caller.send(invite)
    began = time.monotonic()
    for _ in range(2):
        again = caller.response(200)
        assert (again.get("to"), again.body) == (first.get("to"), first.body)
    assert time.monotonic() - began > 1.0, "by its own timer: 0.5 s, then 1 s"
    caller.ack()
    caller.bye()
    (record,) = daemon.records(1, before)
    assert record["answered"] > 0


@calls("echo")
def test_cancel_crossing_the_answer_changes_nothing(daemon: VoiceDaemon, caller: RawCaller) -> None:
    caller.invite()
    caller.response(200)
    caller.send(caller.message("CANCEL", to_tag=""))
    caller.response(200, "CANCEL")
    caller.ack()
    caller.bye()
    record = daemon.record(caller.call_id)
    assert (record["reason"], record["hangup_by"]) == ("BYE", "caller")


@calls("brief")
def test_bye_crossing_bye(daemon: VoiceDaemon, caller: RawCaller) -> None:
    caller.up()
    theirs = caller.request("BYE")
    caller.bye()
    caller.answer(theirs)
    assert daemon.record(caller.call_id)["hangup_by"] == "script"


@calls("echo")
def test_overlapping_reinvites_are_refused_and_the_call_goes_on(daemon: VoiceDaemon, caller: RawCaller) -> None:
    caller.up()
    caller.send(caller.message("INVITE", sequence=2, body=caller.sdp("sendonly", 2)))
    held = caller.response(200)
    assert b"a=recvonly" in held.body
    caller.send(caller.message("INVITE", sequence=3, body=caller.sdp("sendrecv", 3)))
    refused = caller.response(500)
    assert refused.get("retry-after") is not None
    caller.ack(3)
    caller.ack(2)
    caller.send(caller.message("INVITE", sequence=4, body=caller.sdp("sendrecv", 4)))
    assert b"a=sendrecv" in caller.response(200).body
    caller.ack(4)
    caller.bye()
    assert daemon.record(caller.call_id)["reason"] == "BYE"


@calls("echo")
def test_an_invite_without_an_offer(daemon: VoiceDaemon, caller: RawCaller) -> None:
    caller.invite(offer=False)
    answer = caller.response(200)
    audio = caller.audio_of(answer)
    caller.send(caller.message("ACK", branch="ack", body=caller.sdp()))
    number = 0
    while b"\x11" * 160 not in caller.rtp.recv(2_048):
        number += 1
        caller.rtp.sendto(caller.rtp_packet(number, b"\x11" * 160), audio)
    caller.bye()


def test_unknown_destinations_get_404(daemon: VoiceDaemon) -> None:
    with raw_caller((daemon.host, daemon.port), "nobody") as caller:
        caller.invite()
        assert "cause=1" in (caller.response(404).get("reason") or "")
        caller.ack()


def test_a_flood_of_malformed_messages_harms_no_call(daemon: VoiceDaemon) -> None:
    chance = random.Random(7)  # noqa: S311 - repeatable
    with raw_caller((daemon.host, daemon.port), "digits") as good, raw_caller((daemon.host, daemon.port), "x") as bad:
        audio = good.audio_of(good.up())
        whole = bad.message("INVITE", body=bad.sdp(), to_tag="")
        bad.socket.setblocking(False)
        for number in range(3_000):
            data = bytearray(whole.replace(b"branch=", b"branch=z9hG4bK%d" % number))
            for _ in range(chance.randrange(1, 12)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            bad.send(bytes(data[: chance.randrange(1, len(data) + 1)]) if number % 3 == 0 else bytes(data))
            if number % 50 == 0:
                good.rtp.sendto(good.rtp_packet(number), audio)
                drain(bad.socket)
        good.send(info(good, "5"))
        good.response(200, "INFO")
        good.bye()
        assert daemon.record(good.call_id)["log"] == ["heard 5"]
        assert daemon.serving.program.lines("Traceback|exception") == []


def drain(found: socket.socket) -> None:
    while True:
        try:
            found.recv(65_535)
        except BlockingIOError:
            return


def info(caller: RawCaller, digit: str, sequence: int = 5) -> bytes:
    body = f"Signal={digit}\r\nDuration=100\r\n"
    return (
        caller.message("INFO", sequence=sequence).replace(
            b"Content-Length: 0", f"Content-Type: application/dtmf-relay\r\nContent-Length: {len(body)}".encode()
        )
        + body.encode()
    )


# ---- audio ----


@calls("echo")
def test_audio_from_elsewhere_and_garbage_are_not_the_callers(daemon: VoiceDaemon, caller: RawCaller) -> None:
    audio = caller.audio_of(caller.up())
    chance = random.Random(3)  # noqa: S311 - repeatable
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.68", 0))
        for number in range(40):
            caller.rtp.sendto(caller.rtp_packet(number, b"\x11" * 160), audio)
            caller.rtp.sendto(chance.randbytes(chance.randrange(1, 300)), audio)
            stranger.sendto(caller.rtp_packet(number, b"\x22" * 160, ssrc=9), audio)
            caller.rtp.recv(2_048)
        heard = b"".join(caller.rtp.recv(2_048)[12:] for _ in range(30))
        stranger.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.recv(2_048)
    assert b"\x11" * 160 in heard
    # A few such samples are in what fades where the caller's own audio has ended.
    assert b"\x22" * 40 not in heard
    caller.bye()


@calls("echo")
def test_a_call_whose_audio_stops_is_ended(daemon: VoiceDaemon, caller: RawCaller) -> None:
    audio = caller.audio_of(caller.up())
    for number in range(5):
        caller.rtp.sendto(caller.rtp_packet(number), audio)
    bye = caller.request("BYE")
    caller.answer(bye)
    assert "cause=41" in (bye.get("reason") or "")
    record = daemon.record(caller.call_id)
    assert (record["hangup_by"], record["reason"]) == ("system", "media timeout")


@calls("echo")
def test_time_on_hold_is_no_dead_call(daemon: VoiceDaemon, caller: RawCaller) -> None:
    audio = caller.audio_of(caller.up())
    caller.send(caller.message("INVITE", sequence=2, body=caller.sdp("inactive", 2)))
    caller.response(200)
    caller.ack(2)
    caller.socket.settimeout(2.5)
    with pytest.raises(TimeoutError):
        caller.request("BYE")
    caller.send(caller.message("INVITE", sequence=3, body=caller.sdp("sendrecv", 3)))
    caller.response(200)
    caller.ack(3)
    caller.rtp.sendto(caller.rtp_packet(1), audio)
    caller.bye()
    assert daemon.record(caller.call_id)["hangup_by"] == "caller"


# ---- scripts ----


@calls("never")
def test_a_script_that_never_answers_ends_when_the_caller_gives_up(daemon: VoiceDaemon, caller: RawCaller) -> None:
    caller.invite()
    caller.response(180)
    caller.send(caller.message("CANCEL", to_tag=""))
    caller.response(487)
    caller.ack()
    record = daemon.record(caller.call_id)
    assert (record["hangup_by"], record["outcome"]) == ("caller", "cancelled")


@calls("stuck")
def test_a_script_that_waits_for_nothing_is_over(daemon: VoiceDaemon, caller: RawCaller) -> None:
    caller.invite()
    caller.response(500)
    caller.ack()
    assert daemon.record(caller.call_id)["outcome"] == "script_error"


@calls("endless")
def test_a_script_that_loops_gets_500_and_others_go_on(daemon: VoiceDaemon, caller: RawCaller) -> None:
    with raw_caller((daemon.host, daemon.port), "digits") as other:
        audio = other.audio_of(other.up())
        caller.invite()
        other.rtp.sendto(other.rtp_packet(1), audio)
        other.send(info(other, "5"))
        other.response(200, "INFO")
        caller.response(500)
        caller.ack()
        other.bye()
        assert daemon.record(caller.call_id)["outcome"] == "timed_out"
        assert daemon.record(other.call_id)["log"] == ["heard 5"]


@pytest.mark.parametrize(
    ("caller", "outcome"),
    [("answered_endless", "timed_out"), ("fails", "script_error"), ("grows", "out_of_memory")],
    indirect=["caller"],
)
def test_an_answered_call_is_ended_when_its_script_fails(daemon: VoiceDaemon, caller: RawCaller, outcome: str) -> None:
    caller.up()
    bye = caller.request("BYE")
    caller.answer(bye)
    assert "cause=41" in (bye.get("reason") or "")
    record = daemon.record(caller.call_id)
    assert record["outcome"] == outcome
    assert record["error"]


@calls("throws")
def test_a_script_refuses(daemon: VoiceDaemon, caller: RawCaller) -> None:
    caller.invite()
    response = caller.response(603)
    assert response.reason == "Decline"
    caller.ack()
    record = daemon.record(caller.call_id)
    assert (record["outcome"], record["code"], record["hangup_by"]) == ("sip_error", 603, "script")


@calls("twice")
def test_answered_twice(daemon: VoiceDaemon, caller: RawCaller) -> None:
    caller.up()
    caller.answer(caller.request("BYE"))
    record = daemon.record(caller.call_id)
    assert (record["log"], record["outcome"]) == (["both"], "returned")


@calls("after")
def test_played_after_the_caller_hung_up(daemon: VoiceDaemon, caller: RawCaller) -> None:
    caller.up()
    caller.bye()
    assert daemon.record(caller.call_id)["log"] == ["HangupError"]


@calls("hangs_up_and_plays")
def test_played_after_its_own_hang_up(daemon: VoiceDaemon, caller: RawCaller) -> None:
    caller.up()
    caller.answer(caller.request("BYE"))
    assert daemon.record(caller.call_id)["log"] == ["HangupError"]


@calls("thousand_waits")
def test_a_thousand_waits_at_once(daemon: VoiceDaemon, caller: RawCaller) -> None:
    audio = caller.audio_of(caller.up())
    caller.rtp.sendto(caller.rtp_packet(1), audio)
    caller.send(info(caller, "1"))
    caller.response(200, "INFO")
    caller.bye()
    record = daemon.record(caller.call_id)
    assert json.loads(record["log"][0]) == {"HangupError": 100, "RangeError": 900}


@calls("thousand_actions")
def test_many_actions_that_are_complete_at_once(daemon: VoiceDaemon, caller: RawCaller) -> None:
    caller.up()
    caller.answer(caller.request("BYE"))
    record = daemon.record(caller.call_id)
    assert (record["log"], record["outcome"]) == (["done"], "returned")


@calls("too_many_actions")
def test_more_actions_than_may_wait(daemon: VoiceDaemon, caller: RawCaller) -> None:
    caller.up()
    caller.bye()
    record = daemon.record(caller.call_id)
    assert record["log"] == ["done | more than 1000 actions wait for the call | the call has ended"]


@calls("lingers")
def test_a_script_that_will_not_end_is_ended(daemon: VoiceDaemon, caller: RawCaller) -> None:
    caller.up()
    caller.bye()
    assert daemon.record(caller.call_id)["outcome"] == "cancelled"
