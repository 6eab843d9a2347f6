"""Finished calls and recordings are told to webhooks, from the records that the call daemon keeps."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sidecar.jobs import call_events
from sidecar.jobs.call_events import _read, _record, events_of
from sidecar.operations.call_record import CallRecord
from sidecar.text import safe_json
from tests.acceptance.processes import wait_until
from tests.sidecar.http.platform_desk import PlatformDesk
from tests.sidecar.jobs.receiver import Receiver
from tests.sidecar.jobs.test_webhooks import SETTINGS, deliveries
from tests.sidecar.operations.test_call_search import MIDNIGHT, record

DAY = "2027-01-15"
LATER = 1_800_000_000.0 - MIDNIGHT
"""Of a call that ends after every webhook here was made."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@contextmanager
def platform(folder: Path, receiver: Receiver, address: str | None = None) -> Iterator[PlatformDesk]:
    receiver.told.clear()
    receiver.answers.clear()
    receiver.asked.clear()
    made = PlatformDesk(folder, address, more=SETTINGS)
    made.acme.post("/api/v1/webhook-secret/rotate").raise_for_status()
    yield made
    made.stop()


@pytest.fixture
def desk(tmp_path: Path, receiver: Receiver) -> Iterator[PlatformDesk]:
    with platform(tmp_path, receiver) as made:
        yield made


@pytest.fixture
def any_desk(tmp_path: Path, receiver: Receiver, database_address: str) -> Iterator[PlatformDesk]:
    """With each kind of database."""
    with platform(tmp_path, receiver, database_address) as made:
        yield made


def call(number: int, **more: Any) -> CallRecord:
    return record(number, **{"tenant": "acme", "arrived": MIDNIGHT + LATER + number, **more})


def keep(desk: PlatformDesk, *records: CallRecord | bytes, day: str = DAY) -> None:
    """As the daemon does: at the end of the day's file."""
    lines = [one if isinstance(one, bytes) else safe_json(one) for one in records]
    with (desk.call_records / f"calls-{day}.jsonl").open("ab") as file:
        file.write(b"".join(lines))


def webhook(desk: PlatformDesk, name: str, *events: str, **body: Any) -> None:
    body = {"events": list(events), **body}
    desk.acme.put(f"/api/v1/webhooks/{name}", json=body).raise_for_status()


def told_calls(receiver: Receiver, path: str) -> list[str]:
    return [one.event["data"]["id"] for one in receiver.at(path) if one.event["type"] == "call.finished"]


def test_a_finished_call_and_its_recordings_are_told_in_their_order(any_desk: PlatformDesk, receiver: Receiver) -> None:
    webhook(any_desk, "all", "call.finished", "recording.finished", url=receiver.url("/all"))
    webhook(any_desk, "calls", "call.finished", url=receiver.url("/calls"))
    receiver.answers["/all"] = [204, 500, 204]
    keep(any_desk, call(1, recordings=["a.wav", "b.wav"], log=["hello"], customer="4711"), call(2, tenant="beta"))
    wait_until(lambda: len(receiver.at("/all")) == 4, "all is told")
    # The second one was refused once: it is told again before what comes after it.
    said = [(one.event["type"], one.event["data"].get("recording")) for one in receiver.at("/all")]
    recording = "recording.finished"
    assert said == [(recording, "a.wav"), (recording, "b.wav"), (recording, "b.wav"), ("call.finished", None)]
    ended = receiver.at("/all")[3].event
    assert ended["data"] == json.loads(
        safe_json(call(1, recordings=["a.wav", "b.wav"], log=["hello"], customer="4711"))
    )
    first = receiver.at("/all")[0].event["data"]["call"]
    assert (first["id"], first["customer"], "log" in first) == ("call-1", "4711", False)
    wait_until(lambda: told_calls(receiver, "/calls") == ["call-1"], "the other one is told of the call alone")


def test_a_call_begins_a_function_of_a_script(desk: PlatformDesk) -> None:
    text = "import { incr } from 'cxKV';\nexport const ended = ({ data }) => incr('calls:' + data.id);\n"
    desk.script("after", text, kind="app")
    webhook(desk, "job", "call.finished", script="after", function="ended")
    keep(desk, call(1))
    wait_until(lambda: desk.acme.get("/api/v1/kv/keys/calls:call-1").is_success, "the function was run")


def test_what_is_written_while_nobody_reads_is_told_once_by_the_next(
    any_desk: PlatformDesk, receiver: Receiver
) -> None:
    webhook(any_desk, "calls", "call.finished", url=receiver.url("/once"))
    keep(any_desk, *(call(number) for number in range(20)))
    wait_until(lambda: len(told_calls(receiver, "/once")) >= 5, "some are told")
    any_desk.kill()
    keep(any_desk, *(call(number) for number in range(20, 30)), b'{"id":"torn')
    any_desk.kill()
    keep(any_desk, b'"}\n', call(30), day=DAY)
    expected = {f"call-{number}" for number in range(31)}
    wait_until(lambda: set(told_calls(receiver, "/once")) == expected, "all are told", 30.0)
    wait_until(
        lambda: len(deliveries(any_desk, "calls", limit="500", state="completed")) == 31, "each has one delivery"
    )


def test_only_calls_of_its_script_after_it_was_made_are_told(desk: PlatformDesk, receiver: Receiver) -> None:
    desk.script("mine")
    keep(desk, call(1, arrived=MIDNIGHT, script="mine"))
    webhook(desk, "calls", "call.finished", url=receiver.url("/mine"), only="mine")
    keep(desk, call(2, script="other"), call(3, script="mine"))
    wait_until(lambda: told_calls(receiver, "/mine") == ["call-3"], "its own is told")


def test_lines_are_read_whole_from_a_place_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_events, "STEP_BYTES", 10)
    file = tmp_path / "calls-2027-01-15.jsonl"
    assert _read(file, 0, 0) == (0, [])
    file.write_bytes(b"123\n456\n7890123\n" + b"x" * 30 + b"\nhalf")
    assert _read(file, 0, 0) == (8, [b"123\n", b"456\n"])
    assert _read(file, 8, 0) == (16, [b"7890123\n"])
    assert _read(file, 16, 0) == (47, [b"x" * 30 + b"\n"])
    assert _read(file, 47, 0) == (47, [])
    assert _read(file, 900, 0) == (8, [b"123\n", b"456\n"]), "another file of the same name"
    assert _read(file, 0, file.stat().st_mtime + 1) == (file.stat().st_size, []), "nothing of it is wanted"


def test_a_record_is_known_whatever_text_is_in_it() -> None:
    one = call(1, cli_name="half \ud800 of a pair")
    known = _record(safe_json(one))
    assert known is not None
    assert known.cli_name == "half \\ud800 of a pair"
    for line in (b"", b"{", b"[]\n", b'{"id": 1}\n', b"[" * 100_000):
        assert _record(line) is None


def test_a_record_that_is_too_long_is_told_without_its_lists() -> None:
    (event,) = events_of(call(1, log=["x" * 300_000]))
    data = json.loads(bytes(event.data))
    assert (data["id"], data["left_out"], "log" in data) == ("call-1", ["actions", "legs", "warnings", "log"], False)


def test_an_event_has_the_same_id_each_time() -> None:
    both = [[event.id for event in events_of(call(1, recordings=["a", "b"]))] for _ in range(2)]
    assert both[0] == both[1]
    assert len(set(both[0])) == 3
    assert not any("." in one for one in both[0])
