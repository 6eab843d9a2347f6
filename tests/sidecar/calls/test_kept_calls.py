"""A call whose script failed is kept, and its script's run goes the same way again without a call."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec import structs

from sandbox.recording import Unrecorded
from sidecar.calls.calls import Calls
from sidecar.calls.kept import HEAD, KeptCall
from sidecar.catalog.compile import make_script
from sidecar.catalog.model import Snapshot, VoiceAssignment
from sidecar.cli import main
from sidecar.configuration.tree import Configuration, KeptSection, VoiceSection
from sidecar.kind import Kind
from sidecar.operations.call_record import CallRecord
from sidecar.runs.kept_files import KeptFiles, packed, unpacked
from sidecar.runs.pool_settings import call_pool, one_worker
from sidecar.runs.runner import PoolName, Runner
from sipio.call_control import Answer
from tests.doubles.memory_call import MemoryCall

MENU = """
async function main(data, ctx) {
  await ctx.answer();
  const dice = Math.random();
  console.log('answered', data.cli, Date.now(), dice);
  await new Promise((resolve) => setTimeout(resolve, 10));
  const pressed = ctx.waitFor(/[0-9]/, null, 0.05).catch((error) => error.message + ' at ' + Date.now());
  ctx.play('ivr/nothing.wav').catch((error) => console.log(error.name));
  console.log(await pressed);
  throw new Error('no menu for ' + dice + process.env.EXEC_HOST);
}
"""
WAITS = "async function main(data, ctx) { await ctx.answer(); console.log('up'); await ctx.waitForHangup(); throw 1; }"


def called(directory: Path, text: str, then: Callable[[MemoryCall], None], kept: Sequence[str] = ()) -> CallRecord:
    """The record of a call that is answered at once and then ended."""
    voice = VoiceSection(sounds=directory / "sounds", recordings=directory / "recordings", grace_seconds=1.0)
    section = KeptSection(directory=directory / "kept", scripts=tuple(kept))
    configuration = Configuration(voice=voice, kept=section)
    script = make_script(id="menu", name="menu.js", kind=Kind.APP, text=text)
    snapshot = Snapshot(
        scripts={"menu": script}, routes={}, dids={}, destinations={"*": VoiceAssignment(script_id="menu")}
    )

    async def call() -> CallRecord:
        runner = Runner({PoolName.CALLS: one_worker(call_pool(configuration))})
        files = KeptFiles(section)
        over: asyncio.Future[CallRecord] = asyncio.get_running_loop().create_future()
        try:
            await runner.start(PoolName.CALLS)
            calls = Calls(runner.pool(PoolName.CALLS), configuration, snapshot, over.set_result, kept=files)
            phone = MemoryCall(calls)
            async with asyncio.timeout(10):
                while not phone.actions:  # noqa: ASYNC110 - told by the script
                    await asyncio.sleep(0.002)
                assert isinstance(phone.actions[0].action, Answer)
                phone.actions[0].end()
                then(phone)
                return await over
        finally:
            await files.close()
            await runner.close()

    return asyncio.run(call())


def test_a_call_that_failed_goes_the_same_way_on_a_desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = called(tmp_path, MENU, lambda _phone: None)
    assert record.outcome == "script_error"
    [file] = (tmp_path / "kept").iterdir()
    assert record.kept == file.name
    for _ in range(2):
        assert main(["run", "--repeat", str(file)]) == 0
        shown = capsys.readouterr().out
        assert f"error: {record.error}" in shown
        assert f"{record.error_location.rpartition(':')[0]}:" in shown
        assert record.log[0].partition(": ")[2] in shown
        assert "waitFor timed out at 1" in shown
        assert "the same as call c1 at 2" in shown


def test_another_script_is_given_what_that_call_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = called(tmp_path, MENU, lambda _phone: None)
    [file] = (tmp_path / "kept").iterdir()
    mended, other = tmp_path / "mended.js", tmp_path / "other.js"
    mended.write_text("// mended\n" + MENU.replace("throw new Error(", "console.log("))
    assert main(["run", str(mended), "--repeat", str(file)]) == 0
    shown = capsys.readouterr().out
    assert f"log  {record.error.removeprefix('Error: ')}" in shown
    assert "mended.js: its console has 3 lines, and had 2" in shown
    other.write_text(MENU.replace("ctx.answer()", "ctx.hangup(17)"))
    assert main(["run", str(other), "--repeat", str(file)]) == 10
    assert 'other.js, turn 1: it asked perform("hangup"' in capsys.readouterr().out
    assert main(["run", str(mended), "--repeat", str(file), "--json"]) == 0
    assert '"outcome":"returned"' in capsys.readouterr().out


def test_what_went_well_is_kept_of_scripts_that_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fine = WAITS.replace("throw 1", "console.log('down')")
    assert called(tmp_path / "a", fine, MemoryCall.hang_up).kept == ""
    record = called(tmp_path / "b", fine, MemoryCall.hang_up, ["menu"])
    [file] = (tmp_path / "b" / "kept").iterdir()
    assert record.kept == file.name
    assert main(["run", "--repeat", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "menu.js: returned" in shown
    assert "log  down" in shown


def test_what_was_longer_than_a_recording_cannot_be_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called(tmp_path, WAITS, MemoryCall.hang_up)
    [file] = (tmp_path / "kept").iterdir()
    kept = unpacked(HEAD, file.read_bytes(), KeptCall)
    run = structs.replace(
        kept.run, completion=structs.replace(kept.run.completion, recording=Unrecorded(reason="long"))
    )
    file.write_bytes(packed(HEAD, structs.replace(kept, run=run)))
    assert main(["run", "--repeat", str(file)]) == 1
    assert "it cannot be run again" in capsys.readouterr().err
