"""Bridges through the running daemon: both ways heard, and every way that the other leg may end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sipio.sip.events import (
    RegistrationChanged,
    SessionAnswered,
    SessionConfirmed,
    SessionEnded,
    SessionProgressed,
)
from sipio.sip.settings import Credentials, RegistrationSettings
from tests.acceptance.phone import FarCall, Phone, phone
from tests.acceptance.processes import free_port
from tests.acceptance.voice_daemon import VoiceDaemon, read_wav, write_wav
from tests.sipio.media.media_doubles import loudest_frequency, tone

TRUNK_HOST = "127.0.0.63"
TRUNK_PORT = 5_070
TRUNK = Credentials(username="acct1", password="trunk secret")
ALICE = Credentials(username="alice", password="alice secret")
SCRIPTS = {
    "bridge": """const result = await ctx.bridge(ctx.header('X-To').split(' '), true);
        await ctx.log(result.status, result.code, result.destination, result.hangup_by);""",
    "through": "await ctx.bridge(ctx.header('X-To').split(' '))",
    "menu": """await ctx.answer();
        await ctx.blockDtmf('5');
        await ctx.bridge(ctx.header('X-To'));""",
    "recorded": """await ctx.answer();
        await ctx.record('talk', { stereo: true });
        await ctx.bridge(ctx.header('X-To'));""",
    "numbered": "await ctx.header('X-Account', '77'); await ctx.bridge('31887654321')",
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceDaemon]:
    directory = tmp_path_factory.mktemp("voice")
    made = VoiceDaemon(
        directory,
        SCRIPTS,
        voice="bridge_seconds = 0.5",
        accounts=f"""
[[user]]
name = "alice"
password = "{ALICE.password}"
[[trunk]]
name = "carrier"
target = "sip:{{number}}@{TRUNK_HOST}:{TRUNK_PORT}"
username = "{TRUNK.username}"
password = "{TRUNK.password}"
from_user = "acct1"
hosts = ["{TRUNK_HOST}"]
default = true
""",
    )
    yield made.ready()
    made.stop()


@asynccontextmanager
async def parties() -> AsyncIterator[tuple[Phone, Phone]]:
    async with phone("127.0.0.61") as caller, phone("127.0.0.62") as callee:
        yield caller, callee


def call(daemon: VoiceDaemon, caller: Phone, name: str, *destinations: str) -> FarCall:
    return caller.call(daemon.uri(name), headers=[("X-To", " ".join(destinations))])


async def record_of(daemon: VoiceDaemon, made: FarCall) -> dict[str, Any]:
    return await asyncio.to_thread(daemon.record, made.id)


async def test_both_hear_each_other_and_the_callee_hangs_up(daemon: VoiceDaemon, tmp_path: Path) -> None:
    async with parties() as (caller, callee):
        made = call(daemon, caller, "bridge", callee.uri())
        other = await callee.rung()
        await made.wait_for(SessionAnswered)
        made.listen(tmp_path / "heard-a.wav")
        other.listen(tmp_path / "heard-b.wav")
        await asyncio.gather(
            made.play(write_wav(tmp_path / "a.wav", tone(600, 0.5))),
            other.play(write_wav(tmp_path / "b.wav", tone(1_000, 0.5))),
        )
        assert loudest_frequency(await made.heard()) == pytest.approx(1_000, abs=6)
        assert loudest_frequency(await other.heard()) == pytest.approx(600, abs=6)
        other.session.bye()
        await made.wait_for(SessionEnded)
        record = await record_of(daemon, made)
        assert record["log"] == [f"completed 200 {callee.uri()} callee"]
        assert [leg["what"] for leg in record["legs"]] == ["answered", "ended"]
        assert record["answered"] > 0


async def test_the_caller_hangs_up(daemon: VoiceDaemon) -> None:
    async with parties() as (caller, callee):
        made = call(daemon, caller, "bridge", callee.uri())
        other = await callee.rung()
        await made.wait_for(SessionAnswered)
        made.session.bye()
        ended = await other.wait_for(SessionEnded)
        assert ended.reason == "BYE"
        record = await record_of(daemon, made)
        assert (record["hangup_by"], record["outcome"]) == ("caller", "hung_up")
        assert [leg["what"] for leg in record["legs"]] == ["answered", "ended"]


async def test_without_continue_on_the_caller_gets_the_callees_end(daemon: VoiceDaemon) -> None:
    async with parties() as (caller, callee):
        made = call(daemon, caller, "through", callee.uri())
        other = await callee.rung()
        await made.wait_for(SessionAnswered)
        other.session.bye()
        await made.wait_for(SessionEnded)
        assert (await record_of(daemon, made))["hangup_by"] == "callee"
        callee.on_call = lambda refused: refused.session.reject(486)
        made = call(daemon, caller, "through", callee.uri())
        assert (await made.wait_for(SessionEnded)).status == 486
        assert (await record_of(daemon, made))["hangup_by"] == "callee"


async def test_failover_past_the_busy_the_silent_and_the_unknown(daemon: VoiceDaemon) -> None:
    async with parties() as (caller, callee), phone("127.0.0.64") as silent, phone("127.0.0.65") as busy:
        silent.on_call = lambda rung: rung.session.ring()
        busy.on_call = lambda refused: refused.session.reject(486)
        nowhere = f"sip:nobody@127.0.0.66:{free_port('127.0.0.66')}"
        made = call(
            daemon, caller, "bridge", busy.uri(), "user/nobody", "trunk/none/1", nowhere, silent.uri(), callee.uri()
        )
        other = await callee.rung()
        await made.wait_for(SessionAnswered)
        assert (await silent.calls[0].wait_for(SessionEnded)).reason == "CANCEL"
        other.session.bye()
        await made.wait_for(SessionEnded)
        record = await record_of(daemon, made)
        assert record["log"] == [f"completed 200 {callee.uri()} callee"]
        # Of one that was answered `ended` has no code.
        failures = [
            (leg["destination"], leg["code"]) for leg in record["legs"] if leg["what"] == "ended" and "code" in leg
        ]
        assert failures == [
            (busy.uri(), 486),
            ("user/nobody", 404),
            ("trunk/none/1", 404),
            (nowhere, 408),
            (silent.uri(), 408),
        ]


@pytest.mark.parametrize(
    ("status", "result"), [(486, "busy 486"), (600, "busy 600"), (480, "no_answer 480"), (603, "failed 603")]
)
async def test_refusals(daemon: VoiceDaemon, status: int, result: str) -> None:
    async with parties() as (caller, callee):
        callee.on_call = lambda refused: refused.session.reject(status)
        made = call(daemon, caller, "bridge", callee.uri())
        await made.wait_for(SessionEnded)
        assert (await record_of(daemon, made))["log"] == [f"{result} {callee.uri()} "]


async def test_the_caller_gives_up_while_it_rings(daemon: VoiceDaemon) -> None:
    async with parties() as (caller, callee):
        callee.on_call = lambda rung: rung.session.ring()
        made = call(daemon, caller, "bridge", callee.uri())
        other = await callee.rung()
        await made.wait_for(SessionProgressed)
        made.session.cancel()
        assert (await other.wait_for(SessionEnded)).reason == "CANCEL"
        ended = await made.wait_for(SessionEnded)
        assert ended.status == 487
        record = await record_of(daemon, made)
        assert (record["hangup_by"], record["reason"], record["code"]) == ("caller", "CANCEL", 487)


async def test_early_media_of_the_other_side_is_heard(daemon: VoiceDaemon, tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "b.wav", tone(850, 0.3))

    def progress(rung: FarCall) -> None:
        rung.session.progress(rung.local)
        rung.play_on(sound)

    async with parties() as (caller, callee):
        callee.on_call = progress
        made = call(daemon, caller, "bridge", callee.uri())
        made.listen(tmp_path / "heard.wav")
        await made.wait_for(SessionEnded)
        heard = await made.heard()
        assert loudest_frequency(heard[1_600:]) == pytest.approx(850, abs=6)
        assert (await record_of(daemon, made))["log"] == [f"no_answer 408 {callee.uri()} "]


async def test_digits_go_through_unless_they_are_blocked(daemon: VoiceDaemon) -> None:
    async with parties() as (caller, callee):
        made = call(daemon, caller, "menu", callee.uri())
        other = await callee.rung()
        await other.wait_for(SessionConfirmed)
        made.media.send_digits("152", 60)
        made.session.send_digit("5")
        await other.until(lambda: other.digits == "12", "the digits")
        made.media.send_digits("5#", 60)
        await other.until(lambda: other.digits == "12#", "the digit after the blocked one")
        other.media.send_digits("9", 60)
        await made.until(lambda: made.digits == "9", "the other party's digit")
        made.session.bye()
        await other.wait_for(SessionEnded)


async def test_a_recorded_bridge_has_a_party_a_side(daemon: VoiceDaemon, tmp_path: Path) -> None:
    async with parties() as (caller, callee):
        made = call(daemon, caller, "recorded", callee.uri())
        other = await callee.rung()
        await other.wait_for(SessionConfirmed)
        other.play_on(write_wav(tmp_path / "b.wav", tone(1_000, 0.4)))
        await made.play(write_wav(tmp_path / "a.wav", tone(600, 0.6)))
        made.session.bye()
        record = await record_of(daemon, made)
        assert record["recordings"] == ["talk"]
        left, right = read_wav(daemon.recordings / "acme" / "talk.wav")
        assert loudest_frequency(left) == pytest.approx(600, abs=6)
        assert loudest_frequency(right) == pytest.approx(1_000, abs=6)


async def test_a_registered_phone_is_called_and_calls(daemon: VoiceDaemon) -> None:
    registrar = f"sip:{daemon.address}"
    async with parties() as (caller, alice):
        alice.endpoint.register(
            RegistrationSettings(
                name="home", registrar=registrar, address_of_record="sip:alice@127.0.0.60", credentials=ALICE
            )
        )
        await alice.until(lambda: any(isinstance(event, RegistrationChanged) for event in alice.events), "registered")
        assert [e.status for e in alice.events if isinstance(e, RegistrationChanged)] == [200]
        made = call(daemon, caller, "bridge", "user/alice")
        other = await alice.rung()
        await made.wait_for(SessionAnswered)
        other.session.bye()
        await made.wait_for(SessionEnded)
        assert (await record_of(daemon, made))["log"] == ["completed 200 user/alice callee"]
        # Her own calls have to prove that they are hers.
        nobody = alice.call(daemon.uri("bridge"), user="alice", headers=[("X-To", "user/nobody")])
        assert (await nobody.wait_for(SessionEnded)).status in {401, 407}
        hers = alice.call(daemon.uri("bridge"), user="alice", credentials=ALICE, headers=[("X-To", "user/nobody")])
        await hers.wait_for(SessionEnded)
        assert (await record_of(daemon, hers))["log"] == ["failed 404 user/nobody "]


async def test_a_trunk_asks_for_the_password(daemon: VoiceDaemon) -> None:
    async with (
        phone("127.0.0.61") as caller,
        phone(TRUNK_HOST, port=TRUNK_PORT, settings={"users": (TRUNK,)}) as carrier,
    ):
        made = caller.call(daemon.uri("numbered"))
        other = await carrier.rung()
        request = other.session.request
        assert request.request_uri().user == "31887654321"
        assert other.session.user == "acct1"
        assert request.get("X-Account") == "77"
        await made.wait_for(SessionAnswered)
        made.session.bye()
        await other.wait_for(SessionEnded)
