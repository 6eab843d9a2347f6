"""A phone calls, a script records it, and a receiver is told of both: signed, in order, again after a failure."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.processes import wait_until
from tests.acceptance.sipp import Sipp
from tests.acceptance.voice_daemon import VoiceDaemon
from tests.sidecar.http.platform_desk import PlatformDesk
from tests.sidecar.jobs.receiver import Receiver, Told
from tests.sidecar.jobs.test_webhooks import SETTINGS

SIPP_HOST = "127.0.0.69"
CALLS = 3
RECORDED = """await ctx.answer();
    await ctx.record('call');
    await new Promise((resolve) => setTimeout(resolve, 200));"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[PlatformDesk]:
    (tmp_path / "platform").mkdir()
    made = PlatformDesk(tmp_path / "platform", more=SETTINGS)
    yield made
    made.stop()


@pytest.fixture
def daemon(tmp_path: Path, platform: PlatformDesk) -> Iterator[VoiceDaemon]:
    (tmp_path / "daemon").mkdir()
    records = {"SCRIPTFORGE_VOICE__RECORDS": str(platform.call_records)}
    made = VoiceDaemon(tmp_path / "daemon", {"recorded": RECORDED}, environment=records)
    yield made.ready()
    made.stop()


def call_of(told: Told) -> str:
    data = told.event["data"]
    found: str = data["call"]["id"] if told.event["type"] == "recording.finished" else data["id"]
    return found


def test_a_recorded_call_is_told_signed_in_its_order_and_again_after_a_500(
    tmp_path: Path, platform: PlatformDesk, daemon: VoiceDaemon, receiver: Receiver
) -> None:
    secret = platform.operator.post("/api/v1/webhook-secret/rotate").raise_for_status().json()["secret"]
    body = {"events": ["call.finished", "recording.finished"], "url": receiver.url("/crm")}
    platform.operator.put("/api/v1/webhooks/crm", json=body).raise_for_status()
    receiver.answers["/crm"] = [500, 204]
    options = f"{daemon.host}:{daemon.port}", "-s", "recorded", "-t", "u1", "-r", "10"
    sipp = Sipp(tmp_path, "agent_call_in_hung_up", SIPP_HOST, options=options, calls=CALLS)
    sipp.finish()
    records = {one["id"]: one for one in daemon.records(CALLS)}
    wait_until(lambda: len(receiver.at("/crm")) == 2 * CALLS + 1, "each call and its recording is told")
    told = receiver.at("/crm")
    assert all(one.is_signed(secret) for one in told)
    refused = told[0]
    assert [one.id for one in told].count(refused.id) == 2, "the same event is told again"
    for call, record in records.items():
        own = [one for one in told[1:] if call_of(one) == call]
        assert [one.event["type"] for one in own] == ["recording.finished", "call.finished"]
        recording, ended = (one.event["data"] for one in own)
        assert [recording["recording"]] == ended["recordings"] == record["recordings"]
        assert (ended["script"], ended["outcome"]) == ("recorded", "returned")
