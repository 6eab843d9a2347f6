"""The daemon's own troubles while calls are up: too many of them, a stop, a reload, a dead worker, a full disk."""

import asyncio
import os
import signal
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

from sipio.sip.events import SessionAnswered, SessionEnded
from tests.acceptance.phone import phone
from tests.acceptance.processes import free_port, require_program, wait_until
from tests.acceptance.raw_sip import RawCaller, raw_caller
from tests.acceptance.serving import metrics, page, request
from tests.acceptance.traffic import traffic
from tests.acceptance.voice_daemon import VoiceDaemon, read_wav, write_wav
from tests.sipio.media.media_doubles import tone

ECHO = "await ctx.answer(); await ctx.echo()"


def test_calls_beyond_the_limit_are_put_off_and_those_up_go_on(tmp_path: Path) -> None:
    digits = """const heard = ctx.waitFor('5');
        await ctx.answer();
        await ctx.log('heard ' + await heard);
        await ctx.waitForHangup();"""
    daemon = VoiceDaemon(tmp_path, {"digits": digits}, voice="calls = 3").ready()
    with ExitStack() as stack:
        stack.callback(daemon.stop)

        def caller() -> RawCaller:
            return stack.enter_context(raw_caller((daemon.host, daemon.port), "digits"))

        up = [caller() for _ in range(3)]
        for one in up:
            one.up()
        for _ in range(200):
            refused = caller()
            refused.invite()
            response = refused.response(503)
            assert int(response.get("retry-after") or 0) > 0
            refused.ack()
            refused.close()
        for one in up:
            body = "Signal=5\r\nDuration=100\r\n"
            head = one.message("INFO", sequence=2).replace(b"Content-Length: 0", b"Content-Length: %d" % len(body))
            one.send(head.replace(b"Max-F", b"Content-Type: application/dtmf-relay\r\nMax-F") + body.encode())
            one.response(200, "INFO")
            one.bye()
            assert daemon.record(one.call_id)["log"] == ["heard 5"]
        caller().up()


def test_a_script_that_never_answers_ends_by_ring_timeout(tmp_path: Path) -> None:
    never = "await new Promise((done) => setTimeout(done, 100000))"
    daemon = VoiceDaemon(tmp_path, {"never": never}, sip="ring_seconds = 1.0", voice="grace_seconds = 0.1").ready()
    with ExitStack() as stack:
        stack.callback(daemon.stop)
        caller = stack.enter_context(raw_caller((daemon.host, daemon.port), "never"))
        caller.invite()
        caller.response(480)
        caller.ack()
        record = daemon.record(caller.call_id)
        assert (record["hangup_by"], record["outcome"], record["code"]) == ("system", "cancelled", 480)


def test_a_loop_after_the_hang_up_is_told_with_its_place_however_short_its_grace(tmp_path: Path) -> None:
    loops = "await ctx.answer(); await ctx.waitForHangup();\nfor (;;);"
    daemon = VoiceDaemon(tmp_path, {"loops": loops}, voice="grace_seconds = 0.01").ready()
    with ExitStack() as stack:
        stack.callback(daemon.stop)
        caller = stack.enter_context(raw_caller((daemon.host, daemon.port), "loops"))
        caller.up()
        caller.bye()
        record = daemon.record(caller.call_id)
        assert (record["hangup_by"], record["outcome"]) == ("caller", "timed_out")
        assert record["error_location"].startswith("loops.js:")


def test_a_stop_waits_for_calls_then_ends_them(tmp_path: Path) -> None:
    daemon = VoiceDaemon(
        tmp_path, {"echo": ECHO, "patient": "await ctx.waitForHangup()"}, voice="drain_seconds = 0.7"
    ).ready()
    with ExitStack() as stack:
        stack.callback(daemon.stop)
        quick, long, ringing, late = (
            stack.enter_context(raw_caller((daemon.host, daemon.port), name))
            for name in ("echo", "echo", "patient", "echo")
        )
        quick.up()
        long.up()
        ringing.invite()
        ringing.response(180)
        daemon.serving.send(signal.SIGTERM)
        daemon.serving.program.wait_for("stopping|draining|shutdown")
        late.invite()
        assert late.response(503).get("retry-after") is not None
        late.ack()
        quick.bye()
        bye = long.request("BYE")
        long.answer(bye)
        ringing.response(503)
        ringing.ack()
        assert daemon.serving.program.finish() == 0
        assert daemon.record(quick.call_id)["hangup_by"] == "caller"
        for cut in (long, ringing):
            record = daemon.record(cut.call_id)
            assert record["hangup_by"] == "system"
            assert record["outcome"] == ("hung_up" if cut is long else "returned")


def test_a_call_finishes_on_the_version_it_began_with(tmp_path: Path) -> None:
    def version(number: int) -> str:
        return f"""const heard = ctx.waitFor('5');
            await ctx.answer();
            await heard;
            await ctx.log('version {number}');"""

    daemon = VoiceDaemon(tmp_path, {"versioned": version(1)}).ready()
    with ExitStack() as stack:
        stack.callback(daemon.stop)
        first, second = (stack.enter_context(raw_caller((daemon.host, daemon.port), "versioned")) for _ in range(2))
        first.up()
        position = daemon.position
        daemon.serving.write("versioned", daemon.text(version(2)))
        daemon.serving.program.wait_for('"action":"catalog', position)
        second.up()
        for one in (first, second):
            body = "Signal=5\r\nDuration=100\r\n"
            head = one.message("INFO", sequence=2).replace(b"Content-Length: 0", b"Content-Length: %d" % len(body))
            one.send(head.replace(b"Max-F", b"Content-Type: application/dtmf-relay\r\nMax-F") + body.encode())
            one.answer(one.request("BYE"))
        old, new = daemon.record(first.call_id), daemon.record(second.call_id)
        assert (old["log"], new["log"]) == (["version 1"], ["version 2"])
        assert old["script_version"] != new["script_version"]


def test_a_dead_worker_ends_no_call_that_waited_in_it(tmp_path: Path) -> None:
    port = free_port("127.0.0.1", socket.SOCK_STREAM)
    listen = {"SCRIPTFORGE_METRICS__LISTEN": f"127.0.0.1:{port}"}
    daemon = VoiceDaemon(tmp_path, {"early": "await ctx.echo()", "echo": ECHO}, environment=listen).ready()
    with ExitStack() as stack:
        stack.callback(daemon.stop)
        one, other = (stack.enter_context(raw_caller((daemon.host, daemon.port), "early")) for _ in range(2))
        for caller in (one, other):
            caller.invite()
            # Its script waits for the echo to end, which has begun.
            caller.response(183)
        before = set(daemon.serving.workers())
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: bool(set(daemon.serving.workers()) - before), "another worker")
        another = stack.enter_context(raw_caller((daemon.host, daemon.port), "echo"))
        another.up()
        another.bye()
        assert daemon.record(another.call_id)["outcome"] == "hung_up"
        for caller in (one, other):
            caller.send(caller.message("CANCEL", to_tag=""))
            caller.response(200, "CANCEL")
            record = daemon.record(caller.call_id)
            assert (record["outcome"], record["hangup_by"]) == ("hung_up", "caller")
        after = metrics(port)
        died = {key[2] for key, count in after.items() if key[0] == "scriptforge_worker_restarts_total" and count}
        assert died == {"calls", "decisions"}
        # More where one went first to a worker that was about to be killed.
        assert after["scriptforge_runs_resumed_total", "calls"] >= 2
        wait_until(lambda: page(port, "/health")[0] == 200, "workers in both pools")


async def test_a_full_disk_ends_the_recording_and_not_the_call(tmp_path: Path) -> None:
    script = """await ctx.answer();
        await ctx.record('full');
        await ctx.play('user/tone.wav');
        await ctx.log('played');"""
    daemon = VoiceDaemon(tmp_path, {"full": script})
    write_wav(daemon.sounds / "acme" / "tone.wav", tone(700, 2.2))
    try:
        await asyncio.to_thread(daemon.ready)
        # No file grows past 20,000 bytes any more, which is a second and a quarter of a recording.
        limit = (require_program("prlimit"), f"--pid={daemon.serving.pid}", "--fsize=20000")
        await asyncio.to_thread(subprocess.run, limit, check=True)
        async with phone() as caller:
            call = caller.call(daemon.uri("full"))
            await call.wait_for(SessionEnded)
        record = await asyncio.to_thread(daemon.record, call.id)
        assert (record["log"], record["outcome"]) == (["played"], "returned")
        assert record["warnings"][0]["message"] == "recording full: no space left for full.wav"
        (kept,) = read_wav(daemon.recordings / "acme" / "full.wav")
        assert len(kept) > 4_000, "what fitted is a WAV that can be read"
    finally:
        await asyncio.to_thread(daemon.stop)


async def test_what_two_callers_say_at_once_is_kept_for_each_customer_apart(tmp_path: Path) -> None:
    voicemail = "await ctx.answer(); await ctx.log(await ctx.record('message')); await ctx.waitForHangup();"
    others = "".join(
        f'[[destination]]\ndestination = "{number}"\nscript = "voicemail"\ncustomer = "{customer}"\n'
        for number, customer in (("200", "Acme"), ("201", "Acme & Co"), ("202", "Müller"))
    )
    daemon = VoiceDaemon(tmp_path, {"voicemail": voicemail}, routes=others)
    await asyncio.to_thread(daemon.ready)
    with ExitStack() as stack:
        stack.callback(daemon.stop)
        numbers = ["voicemail", "voicemail", "200", "201", "202"]
        callers = [stack.enter_context(raw_caller((daemon.host, daemon.port), number)) for number in numbers]
        for one in callers:
            one.up()
        await asyncio.to_thread(
            wait_until, lambda: len(list(daemon.recordings.rglob("*.wav"))) == len(callers), "the recordings"
        )
        for one in callers:
            one.bye()
        records = [await asyncio.to_thread(daemon.record, one.call_id) for one in callers]
    folders = ["acme", "acme", "+acme", "+acme=20=26=20+co", "+m=c3=bcller"]
    told = [f"{folder}/{record['log'][0]}" for folder, record in zip(folders, records, strict=True)]
    assert len(set(told)) == len(callers)
    assert sorted(told) == sorted(str(file.relative_to(daemon.recordings)) for file in daemon.recordings.rglob("*.wav"))


async def test_a_recording_that_cannot_begin_is_an_error_of_the_script(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    script = "await ctx.answer(); await ctx.record('x').catch((error) => ctx.log(error.message))"
    daemon = VoiceDaemon(tmp_path, {"record": script}, voice=f'recordings = "{tmp_path}/file"')
    try:
        await asyncio.to_thread(daemon.ready)
        async with phone() as caller:
            call = caller.call(daemon.uri("record"))
            await call.wait_for(SessionEnded)
        record = await asyncio.to_thread(daemon.record, call.id)
        assert record["log"] == ["x.wav cannot be written: Not a directory"]
        assert record["outcome"] == "returned"
    finally:
        await asyncio.to_thread(daemon.stop)


async def test_decisions_go_on_beside_a_flood_of_calls(tmp_path: Path) -> None:
    daemon = VoiceDaemon(
        tmp_path,
        {"echo": ECHO, "endless": "for (;;);"},
        voice="calls = 50",
        more="[sandbox]\ncpu_ms = 300",
        routes='[[script]]\nfile = "decide.js"\n[[route]]\ncustomer = "decide"\nscript = "decide"\n',
        files={"decide.js": "function main(data) { data.routing.seen = true }"},
    )
    try:
        await asyncio.to_thread(daemon.ready)
        client = await daemon.serving.client()
        async with phone() as caller, traffic(client, lambda n: request("decide", f"c{n}"), 200) as sent:
            calls = [caller.call(daemon.uri("endless" if n % 10 == 0 else "echo")) for n in range(100)]
            for call in calls:
                await call.until(lambda c=call: c.session.answered or c.session.ended, "an end")  # type: ignore[misc]
            await sent.until(lambda made: len(made.answers) >= 100)
            for call in calls:
                call.session.end()
        await client.close()
        assert {answer.what for answer in sent.answers} == {"returned"}
        seconds = sorted(answer.seconds for answer in sent.answers)
        assert seconds[len(seconds) // 2] < 5, "decisions wait for the scripts of calls"
        answered = sum(any(isinstance(event, SessionAnswered) for event in call.events) for call in calls)
        refused = sum(
            any(isinstance(event, SessionEnded) and event.status == 503 for event in call.events) for call in calls
        )
        assert answered >= 40
        assert refused >= 40
    finally:
        await asyncio.to_thread(daemon.stop)
