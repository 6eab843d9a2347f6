"""What a recording is called: no call's, no customer's is written over."""

import re
from pathlib import Path
from typing import Any

import pytest

from sidecar.operations.call_record import CallRecord
from sipio.call_control import Failed, Hangup, Record, RecordingFinished
from tests.doubles.memory_call import MemoryCall
from tests.sidecar.calls.call_exchange import Exchange, main

TAKEN = r"message-\d{8}T\d{6}Z-[0-9a-f]{8}"
VOICEMAIL = main("await ctx.log(await ctx.record('message')); await ctx.waitForHangup();")


def recorded(call: MemoryCall) -> Record:
    action = call.under_way.action
    assert isinstance(action, Record)
    return action


def finish(call: MemoryCall, audio: bytes = b"RIFF") -> None:
    action = recorded(call)
    assert action.path.read_bytes() == b"", "a file of its own, for whoever records"
    action.path.write_bytes(audio)
    call.under_way.end()
    call.hang_up()
    call.tell(RecordingFinished(name=action.name, path=action.path, seconds=1.0))


def results(record: CallRecord) -> list[str]:
    return [action.result for action in record.actions]


@pytest.mark.parametrize("driver", ["sip", "freeswitch", "rpc", "phone"])
async def test_two_calls_at_once_have_two_files(driver: str, tmp_path: Path) -> None:
    exchange = Exchange(VOICEMAIL, tmp_path)
    one, other = (exchange.call(id=name, driver=driver) for name in ("c1", "c2"))
    finish(one, b"one")
    finish(other, b"other")
    first, second = exchange.records
    assert (first.recordings, first.log, results(first)) == (["message"], ["message.wav"], ["done"])
    (name,) = second.recordings
    assert re.fullmatch(TAKEN, name)
    assert (second.log, results(second)) == ([f"{name}.wav"], [f"done as {name}"])
    folder = tmp_path / "recordings/acme"
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        "message.wav": b"one",
        f"{name}.wav": b"other",
    }


@pytest.mark.parametrize(
    ("asked", "first", "again"),
    [
        ("message.wav", "message.wav", rf"{TAKEN}\.wav"),
        ("user/message", "message.wav", rf"{TAKEN}\.wav"),
        ("user/sub/message.wav", "sub/message.wav", rf"sub/{TAKEN}\.wav"),
        ("x" * 200, "x" * 200 + ".wav", "x" * 200 + r"-\d{8}T\d{6}Z-[0-9a-f]{8}\.wav"),
    ],
)
async def test_a_script_is_told_the_file_as_it_names_files(asked: str, first: str, again: str, tmp_path: Path) -> None:
    exchange = Exchange(main(f"await ctx.log(await ctx.record('{asked}')); await ctx.waitForHangup()"), tmp_path)
    for call in (exchange.call(id="c1"), exchange.call(id="c2")):
        finish(call)
    told = [line for record in exchange.records for line in record.log]
    assert told[0] == first
    assert re.fullmatch(again, told[1])
    assert all((tmp_path / "recordings/acme" / line).is_file() for line in told)


async def test_a_recording_of_before_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "recordings/acme"
    folder.mkdir(parents=True)
    (folder / "message.wav").write_bytes(b"before")
    finish(Exchange(VOICEMAIL, tmp_path).call())
    assert (folder / "message.wav").read_bytes() == b"before"
    assert len(list(folder.iterdir())) == 2


async def test_one_call_records_twice_under_one_name(tmp_path: Path) -> None:
    exchange = Exchange(main("await ctx.record('a'); await ctx.record('a'); await ctx.echo()"), tmp_path)
    call = exchange.call()
    first = recorded(call)
    call.under_way.end()
    second = recorded(call)
    assert first.path != second.path


@pytest.mark.parametrize("ending", ["failed", "hung up"])
async def test_a_name_under_which_nothing_was_recorded_is_free_again(ending: str, tmp_path: Path) -> None:
    exchange = Exchange(main("await ctx.record('a').catch(() => {}); await ctx.waitForHangup()"), tmp_path)
    call = exchange.call()
    path = recorded(call).path
    if ending == "failed":
        call.under_way.end(Failed("no disk"))
    call.hang_up()
    assert not path.exists()
    assert recorded(exchange.call()).path == path


async def test_what_was_recorded_before_a_failure_is_kept(tmp_path: Path) -> None:
    call = Exchange(main("await ctx.record('a')"), tmp_path).call()
    path = recorded(call).path
    path.write_bytes(b"RIFF")
    call.under_way.end(Failed("no disk"))
    assert path.read_bytes() == b"RIFF"


@pytest.mark.parametrize(("driver", "own"), [("sip", True), ("freeswitch", False), ("rpc", False)])
async def test_where_no_file_can_be_made_here_a_switch_is_given_a_name_that_was_never_given(
    driver: str, own: bool, tmp_path: Path
) -> None:
    (tmp_path / "recordings").write_text("no directory")
    exchange = Exchange(main("await ctx.record('message')"), tmp_path)
    actions = [recorded(exchange.call(id=name, driver=driver)) for name in ("c1", "c2")]
    assert [action.name == "message" for action in actions] == [own, own]
    assert own or len({action.path for action in actions}) == 2


@pytest.mark.parametrize("customer", ["acme", "Acme", "Acme & Co", "Müller GmbH", "user@example.com", "ivr", "../acme"])
async def test_each_customer_records_into_a_folder_of_its_own(customer: str, tmp_path: Path) -> None:
    def folder(**offer: Any) -> Path:
        exchange = Exchange(VOICEMAIL, tmp_path, assigned_to="")
        return recorded(exchange.call(**offer)).path.parent

    others = {folder(customer=other) for other in ("other", "Other", "ACME", "")}
    own = folder(customer=customer)
    assert own not in others
    assert own.parent == tmp_path / "recordings"


async def test_a_hang_up_is_no_recording(tmp_path: Path) -> None:
    call = Exchange(main("await ctx.hangup()"), tmp_path).call()
    assert isinstance(call.actions[0].action, Hangup)
    assert not (tmp_path / "recordings").exists()
