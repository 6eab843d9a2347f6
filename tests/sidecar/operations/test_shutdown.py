"""The order of the end, its bounds in time, and the signals that begin it."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from sidecar.errors import CatalogError, RefusedCatalogError
from sidecar.operations import shutdown as shutdown_module
from sidecar.operations.notify import Notifier
from sidecar.operations.shutdown import DRAINS, Phase, Shutdown, ShutdownSteps, Step
from sidecar.operations.signals import Reloads, Signals

ORDER = [
    "refuse_calls",
    "tell_stopping",
    "drain_calls",
    "hand_over",
    "stop_accepting",
    "drain",
    "cancel_rest",
    "close_sockets",
    "stop_workers",
    "flush_logs",
]


class Steps:
    """Steps that note their order; single ones replaced by what a test wants."""

    def __init__(self, **replaced: Step) -> None:
        self.began: list[str] = []
        self.steps = ShutdownSteps(**{name: self._noted(name, replaced.get(name)) for name in ORDER})

    def _noted(self, name: str, replacement: Step | None) -> Step:
        async def run() -> None:
            self.began.append(name)
            if replacement is not None:
                await replacement()

        return run


async def forever() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise OSError("no")


async def test_the_order_is_the_order() -> None:
    shutdown = Shutdown(drain_seconds=5)
    steps = Steps()
    shutdown.request("SIGTERM")
    await asyncio.wait_for(shutdown.wait(), 5)
    report = await shutdown.run(steps.steps)
    assert steps.began == ORDER
    assert (report.exit_code, report.drained, report.failed, report.left_behind) == (0, True, (), False)
    assert shutdown.phase is Phase.STOPPED
    assert shutdown.cause == "SIGTERM"


async def test_a_drain_past_its_time_is_cut_and_the_rest_is_answered() -> None:
    shutdown = Shutdown(drain_seconds=0.02)
    steps = Steps(drain=forever)
    report = await asyncio.wait_for(shutdown.run(steps.steps), 5)
    assert steps.began == ORDER
    assert (report.exit_code, report.drained, report.failed) == (0, False, ())


@pytest.mark.parametrize("name", [name for name in ORDER if name not in DRAINS])
async def test_a_step_that_overruns_stops_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutdown_module, "STEP_SECONDS", dict.fromkeys(shutdown_module.STEP_SECONDS, 0.02))
    steps = Steps(**{name: forever})
    report = await asyncio.wait_for(Shutdown(drain_seconds=5).run(steps.steps), 5)
    assert steps.began == ORDER
    assert (report.exit_code, report.failed, report.left_behind) == (1, (Phase(name),), False)


@pytest.mark.parametrize("name", ORDER)
async def test_a_step_that_fails_stops_nothing(name: str, caplog: pytest.LogCaptureFixture) -> None:
    steps = Steps(**{name: fail})
    report = await Shutdown(drain_seconds=5).run(steps.steps)
    assert steps.began == ORDER
    assert (report.exit_code, report.failed) == (1, (Phase(name),))
    assert report.drained is (name not in DRAINS)
    assert "shutdown_step_failed" in caplog.text


async def test_a_step_that_will_not_end_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutdown_module, "STEP_SECONDS", dict.fromkeys(shutdown_module.STEP_SECONDS, 0.02))
    monkeypatch.setattr(shutdown_module, "GRACE_SECONDS", 0.02)
    let_go = asyncio.Event()

    async def stubborn() -> None:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    steps = Steps(stop_workers=stubborn)
    report = await asyncio.wait_for(Shutdown(drain_seconds=5).run(steps.steps), 5)
    assert steps.began == ORDER
    assert report.left_behind
    let_go.set()


async def test_a_second_request_ends_the_drain_at_once() -> None:
    shutdown = Shutdown(drain_seconds=60)
    draining = asyncio.Event()

    async def drain() -> None:
        draining.set()
        await forever()

    steps = Steps(drain=drain)
    shutdown.request("SIGTERM")
    running = asyncio.create_task(shutdown.run(steps.steps))
    await asyncio.wait_for(draining.wait(), 5)
    shutdown.request("SIGTERM")
    report = await asyncio.wait_for(running, 60)
    assert steps.began == ORDER
    assert not report.drained
    assert report.exit_code == 0


async def test_a_second_request_hastens_every_other_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutdown_module, "HASTY_SECONDS", 0.02)
    monkeypatch.setattr(shutdown_module, "STEP_SECONDS", dict.fromkeys(shutdown_module.STEP_SECONDS, 60.0))
    shutdown = Shutdown(drain_seconds=60)
    shutdown.request("SIGTERM")
    shutdown.request("SIGINT")
    steps = Steps(close_sockets=forever, stop_workers=forever)
    report = await asyncio.wait_for(shutdown.run(steps.steps), 5)
    assert steps.began == ORDER
    assert report.failed == (Phase.CLOSE_SOCKETS, Phase.STOP_WORKERS)


async def test_an_end_by_failure_has_its_exit_code() -> None:
    shutdown = Shutdown(drain_seconds=1)
    shutdown.request("workers cannot start", exit_code=3)
    shutdown.request("SIGTERM")
    assert (await shutdown.run(Steps().steps)).exit_code == 3
    assert shutdown.cause == "workers cannot start"


@pytest.fixture
def manager(tmp_path: Path) -> socket.socket:
    """A service manager's socket."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "notify"))
    listener.settimeout(60)
    return listener


def told(manager: socket.socket) -> list[bytes]:
    """First and last line of each message so far."""
    manager.setblocking(False)
    messages: list[bytes] = []
    while True:
        try:
            lines = manager.recv(4000).split(b"\n")
        except BlockingIOError:
            return messages
        messages.append(lines[0] + (b" " + lines[1] if lines[1:] and lines[0] == b"READY=1" else b""))


async def test_reloads_asked_for_meanwhile_become_one(manager: socket.socket) -> None:
    began = asyncio.Event()
    go_on = asyncio.Event()
    times = 0

    async def reload() -> str:
        nonlocal times
        times += 1
        began.set()
        await go_on.wait()
        return f"reload {times}"

    notifier = Notifier(manager.getsockname())
    reloads = Reloads(reload, notifier)
    reloads.request()
    await asyncio.wait_for(began.wait(), 5)
    for _ in range(3):
        reloads.request()
    go_on.set()
    await asyncio.wait_for(reloads.settled(), 5)
    assert told(manager) == [b"RELOADING=1", b"RELOADING=1", b"READY=1 STATUS=reload 2"]
    reloads.request()
    await asyncio.wait_for(reloads.settled(), 5)
    assert times == 3
    notifier.close()
    manager.close()


async def test_a_reload_asked_for_before_the_start_is_done_comes_after_it(manager: socket.socket) -> None:
    async def reload() -> str:
        return "reloaded"

    notifier = Notifier(manager.getsockname())
    reloads = Reloads(reload, notifier)
    reloads.hold()
    for _ in range(2):
        reloads.request()
    await reloads.settled()
    notifier.ready("started")
    reloads.release()
    await asyncio.wait_for(reloads.settled(), 5)
    assert told(manager) == [b"READY=1 STATUS=started", b"RELOADING=1", b"READY=1 STATUS=reloaded"]
    notifier.close()
    manager.close()


async def test_a_refused_catalog_that_has_been_logged_is_not_logged_again(
    manager: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    async def reload() -> str:
        raise RefusedCatalogError("a.js:3:1: bad")

    notifier = Notifier(manager.getsockname())
    reloads = Reloads(reload, notifier)
    reloads.request()
    await asyncio.wait_for(reloads.settled(), 5)
    assert told(manager)[1] == b"READY=1 STATUS=reload failed, the former version runs on: a.js:3:1: bad"
    assert caplog.records == []
    notifier.close()
    manager.close()


@pytest.mark.parametrize("error", [CatalogError("a.js:3:1: bad"), ValueError("a bug")])
async def test_a_reload_that_fails_is_said_and_the_service_stays_ready(
    error: Exception, manager: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    async def reload() -> str:
        raise error

    notifier = Notifier(manager.getsockname())
    reloads = Reloads(reload, notifier)
    reloads.request()
    await asyncio.wait_for(reloads.settled(), 5)
    messages = told(manager)
    assert messages[0] == b"RELOADING=1"
    assert messages[1].startswith(b"READY=1 STATUS=reload failed, the former version runs on: ")
    assert "reload_failed" in caplog.text
    notifier.close()
    manager.close()


async def test_a_reload_is_stopped_by_the_end() -> None:
    reloads = Reloads(forever_text, Notifier())
    reloads.request()
    await asyncio.sleep(0)
    await asyncio.wait_for(reloads.stop(), 5)
    await reloads.stop()


async def forever_text() -> str:
    await forever()
    return ""


async def test_signals() -> None:
    reloaded = asyncio.Event()

    async def reload() -> str:
        reloaded.set()
        return ""

    loop = asyncio.get_running_loop()
    shutdown = Shutdown(drain_seconds=60)
    reloads = Reloads(reload, Notifier())
    signals = Signals(shutdown, reloads)
    signals.install(loop)
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.wait_for(reloaded.wait(), 5)
        await asyncio.wait_for(reloads.settled(), 5)
        assert not shutdown.requested
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(shutdown.wait(), 5)
        assert shutdown.cause == "SIGTERM"
        reloaded.clear()
        draining = asyncio.Event()

        async def drain() -> None:
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGINT)
            draining.set()
            await forever()

        report = await asyncio.wait_for(shutdown.run(Steps(drain=drain).steps), 5)
        assert draining.is_set()
        assert not report.drained
        assert not reloaded.is_set()
    finally:
        signals.remove(loop)
