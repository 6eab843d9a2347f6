"""Giving the sockets away at the end, and finding them at the start."""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from typing import Self

import msgspec
import pytest

from sidecar.lifecycle import PartState
from sidecar.operations import hand_over
from sidecar.operations.hand_over import HandOver, Inherited
from sidecar.operations.notify import Notifier
from sipio.held_socket import HeldSocket, duplicate


class Manager(Notifier):
    """Keeps what it is given, as the service manager does."""

    def __init__(self, *, takes: bool = True) -> None:
        super().__init__(None)
        self.takes = takes
        self.kept: list[int] = []
        self.forgot = False

    async def store(self, name: str, descriptors: Sequence[int]) -> bool:
        assert name == "scriptforge"
        if self.takes:
            self.kept = [os.dup(one) for one in descriptors]
        return self.takes

    def forget(self, name: str) -> None:
        assert name == "scriptforge"
        self.forgot = True

    def __del__(self) -> None:
        for one in self.kept:
            os.close(one)


class Switches:
    """A part with one connection; ``rests`` tells when nobody waits."""

    name = "switches"
    drain_seconds = 0.0

    def __init__(self, rests: Callable[[], bool] = lambda: True) -> None:
        self.ours, self.peer = socket.socketpair()
        self.rests = rests
        self.steps: list[str] = []

    async def start(self) -> None: ...

    def refuse_calls(self) -> None: ...

    def stop_accepting(self) -> None: ...

    async def drain(self) -> None: ...

    def cancel_rest(self) -> None: ...

    async def close(self) -> None: ...

    def state(self) -> PartState:
        return PartState()

    def take(self, held: Sequence[HeldSocket]) -> None: ...

    def hold(self) -> None:
        self.steps.append("hold")

    def resume(self) -> None:
        self.steps.append("resume")

    @property
    def at_rest(self) -> bool:
        return self.rests()

    def hand_over(self) -> Sequence[HeldSocket]:
        connection = duplicate(self.ours.fileno())
        return [HeldSocket(socket=connection, role="connection", unread=b"\xff12", details={"next_msgid": 4})]

    def let_go(self) -> None:
        self.steps.append("let go")
        self.ours.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ours.close()
        self.peer.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ATTEMPT_SECONDS", "PAUSE_SECONDS", "LAST_ATTEMPT_SECONDS", "LOOK_SECONDS"):
        monkeypatch.setattr(hand_over, name, 0.01)


def nothing() -> None:
    raise AssertionError("cut")


def inherited(descriptors: Sequence[int], names: str | None = None, pid: int | None = None) -> Inherited:
    """What a process finds that is started with these from the first descriptor on."""
    begin = max(descriptors) + 20
    for place, one in enumerate(descriptors):
        os.dup2(one, begin + place)
        os.close(one)
    environment = {
        "LISTEN_PID": str(pid or os.getpid()),
        "LISTEN_FDS": str(len(descriptors)),
        "LISTEN_FDNAMES": names or ":".join(["scriptforge"] * len(descriptors)),
    }
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(hand_over, "FIRST_DESCRIPTOR", begin)
        found = Inherited.from_environment(environment)
    assert environment == {}
    return found


async def test_what_one_process_gives_away_the_next_one_finds() -> None:
    manager = Manager()
    with Switches() as part:
        part.peer.sendall(b"asked meanwhile")
        assert await HandOver([part], manager, patience_seconds=1).run(nothing)
        assert part.steps == ["hold", "let go"]
        found = inherited(manager.kept[::-1])
        manager.kept = []
        assert found
        [one] = found.take("switches")
        assert not found
        assert (one.role, one.unread, one.details) == ("connection", b"\xff12", {"next_msgid": 4})
        assert one.socket.recv(100) == b"asked meanwhile"
        assert not one.socket.getblocking()
        assert not one.socket.get_inheritable()
        one.discard()
        one.discard()
        assert part.peer.recv(1) == b""


async def test_it_waits_for_a_moment_in_which_nobody_waits() -> None:
    moments = iter([False, False, False])
    with Switches(lambda: next(moments, True)) as part:
        assert await HandOver([part], Manager(), patience_seconds=5).run(nothing)
        assert part.steps[-1] == "let go"


async def test_where_there_is_no_such_moment_reading_goes_on_between_the_attempts_and_the_rest_is_cut() -> None:
    cut: list[str] = []
    with Switches(lambda: bool(cut)) as part:
        assert await HandOver([part], Manager(), patience_seconds=0.05).run(lambda: cut.append("cut"))
        assert cut == ["cut"]
        assert part.steps[:4] == ["hold", "resume", "hold", "resume"]
        assert part.steps[-1] == "let go"
        assert "resume" not in part.steps[-3:]


async def test_where_nobody_takes_them_everything_goes_on() -> None:
    manager = Manager(takes=False)
    with Switches() as part:
        assert not await HandOver([part], manager, patience_seconds=1).run(nothing)
        assert part.steps == ["hold", "resume"]
        assert manager.forgot
        part.ours.sendall(b"still here")
        assert part.peer.recv(100) == b"still here"


async def test_cut_short_it_reads_on() -> None:
    with Switches(lambda: False) as part:
        task = asyncio.create_task(HandOver([part], Manager(), patience_seconds=60).run(nothing))
        await asyncio.sleep(0)
        assert part.steps == ["hold"]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert part.steps[-1] == "resume"


def test_a_process_that_was_given_nothing_has_inherited_nothing() -> None:
    assert not Inherited.from_environment({})
    assert not Inherited.from_environment({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "-1"})
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "scriptforge"}
    assert not Inherited.from_environment(environment)
    assert environment == {}


@pytest.mark.parametrize(
    "content", [b"", b"\x92", msgspec.msgpack.encode((2, [])), msgspec.msgpack.encode((2, "another shape"))]
)
def test_what_cannot_be_understood_is_closed_and_its_peer_told(content: bytes) -> None:
    ours, peer = socket.socketpair()
    document = os.memfd_create("other")
    os.write(document, content)
    assert not inherited([ours.detach(), document])
    assert peer.recv(1) == b""
    peer.close()


def test_sockets_of_another_name_are_not_ours() -> None:
    ours, peer = socket.socketpair()
    assert not inherited([ours.detach()], names="activation")
    assert peer.recv(1) == b""
    peer.close()


def test_what_no_part_takes_is_closed() -> None:
    ours, peer = socket.socketpair()
    found = Inherited([("gone", HeldSocket(socket=ours, role="connection"))])
    assert found.take("switches") == []
    found.discard()
    assert peer.recv(1) == b""
    peer.close()
