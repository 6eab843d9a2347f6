"""The records and the counts of calls that scripts place."""

import asyncio
from pathlib import Path

import pytest

from sidecar.calls.placed_record import record_of
from sidecar.catalog.compile import make_script
from sidecar.cli.call_timeline import timeline
from sidecar.configuration.host_sections import OriginateSection
from sidecar.hosts.placed import call as placed_call
from sidecar.hosts.placed.call import PlacedCall
from sidecar.hosts.placed.calls import PlacedCalls
from sidecar.hosts.placed.ended import EndedPlacedCall
from sidecar.hosts.placed.placing import CallRequest
from sidecar.kind import Kind
from sidecar.operations.call_record import CallRecord
from sipio.call_control import (
    Bridge,
    Bridged,
    BridgeStatus,
    CallControl,
    CallObserver,
    Done,
    Failed,
    Hangup,
    LegEvent,
    Origination,
    OriginationObserver,
    PendingOrigination,
)
from tests.doubles.memory_call import MemoryCall

SCRIPT = make_script(id="places", name="places.js", kind=Kind.APP, text="", tenant="acme")


class Ringing:
    """A `PendingOrigination`."""

    stopped = False

    def stop(self) -> None:
        self.stopped = True


class _Taking:
    """A `CallHandler` that gives every call to an observer of its origination."""

    def __init__(self, observer: OriginationObserver) -> None:
        self._observer = observer

    def offered(self, call: CallControl) -> CallObserver:
        return self._observer.answered(call)


class Carrier:
    """An `Originator` whose parties answer when the test says so."""

    def __init__(self) -> None:
        self.observer: OriginationObserver | None = None
        self.pending = Ringing()

    def originate(self, origination: Origination, observer: OriginationObserver) -> PendingOrigination:
        self.origination, self.observer = origination, observer
        return self.pending

    def rings(self) -> None:
        assert self.observer is not None
        self.observer.ringing()

    def refuses(self, code: int, reason: str) -> None:
        assert self.observer is not None
        self.observer.refused(code, reason)

    async def answers(self) -> MemoryCall:
        """The first party's call, which is being connected to the second."""
        observer = self.observer
        assert observer is not None

        call = MemoryCall(_Taking(observer), id=self.origination.id)
        await asyncio.sleep(0)
        assert isinstance(call.under_way.action, Bridge)
        return call


class Desk:
    """The calls of one process, and what is told of those that ended."""

    def __init__(self, folder: Path) -> None:
        file = folder / "servers.toml"
        file.write_text('[server.main]\ndriver = "socket"\ngateways = ["first", "second"]\n')
        self.placed = PlacedCalls(OriginateSection(servers_file=file))
        self.carrier = Carrier()
        self.placed.place_by("socket", self.carrier)
        self.ended: list[EndedPlacedCall] = []
        self.placed.tell(self.ended.append)

    async def place(self) -> PlacedCall:
        request = CallRequest.of(SCRIPT, "", "main", "4930100", "4940", "trunk/second/4930200")
        return await self.placed.originate("acme", request)

    @property
    def record(self) -> CallRecord:
        (ended,) = self.ended
        return record_of(ended)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def legs(record: CallRecord) -> list[tuple[str, str, int]]:
    return [(leg.destination, leg.what, leg.code) for leg in record.legs]


async def test_a_record_says_who_placed_it_who_was_called_and_by_which_gateways(desk: Desk) -> None:
    await desk.place()
    assert desk.placed.up_by_driver() == {"rpc": 1}
    desk.carrier.rings()
    call = await desk.carrier.answers()
    call.tell(LegEvent(destination="trunk/second/4930200", what="answered", code=200))
    call.tell(LegEvent(destination="trunk/second/4930200", what="ended"))
    call.under_way.end(Done(Bridged(status=BridgeStatus.COMPLETED, hangup_by="caller")))
    assert desk.placed.up_by_driver() == {}
    record = desk.record
    assert (record.driver, record.placed, record.server, record.tenant) == ("rpc", True, "main", "acme")
    assert (record.script, record.script_version) == ("places", SCRIPT.version)
    assert (record.cli, record.dest_number, record.extension) == ("4940", "4930100", "4930200")
    assert (record.outcome, record.error) == ("connected", "")
    assert record.answered is not None
    assert record.answered <= record.ended
    assert legs(record) == [
        ("trunk/first/4930100", "ringing", 0),
        ("trunk/first/4930100", "answered", 200),
        ("trunk/second/4930200", "answered", 200),
        ("trunk/second/4930200", "ended", 0),
        ("trunk/first/4930100", "ended", 0),
    ]
    shown = timeline(record)
    assert "placed for acme by the server main, to be connected to 4930200" in shown
    assert "call: connected" in shown


async def test_who_is_busy_has_not_answered(desk: Desk) -> None:
    await desk.place()
    desk.carrier.refuses(486, "Busy Here")
    record = desk.record
    assert (record.outcome, record.code, record.reason, record.hangup_by) == (
        "not_answered",
        486,
        "Busy Here",
        "callee",
    )
    assert record.answered is None
    assert legs(record) == [("trunk/first/4930100", "ended", 486)]


async def test_a_call_whose_second_party_is_not_reached_is_not_connected_and_says_why(desk: Desk) -> None:
    await desk.place()
    call = await desk.carrier.answers()
    call.under_way.end(Failed("no gateway second"))
    record = desk.record
    assert (record.outcome, record.hangup_by, record.error) == ("not_connected", "system", "no gateway second")


async def test_a_call_that_is_hung_up_while_it_rings_was_given_up(desk: Desk) -> None:
    call = await desk.place()
    desk.carrier.rings()
    call.give_up()
    assert desk.carrier.pending.stopped
    assert (desk.record.outcome, desk.record.hangup_by) == ("given_up", "script")


async def test_the_record_has_whom_a_call_was_transferred_to_last(desk: Desk) -> None:
    call = await desk.place()
    await desk.carrier.answers()
    call.transfer(lambda _server: "user/202")
    call.give_up()
    assert desk.record.extension == "202"


async def test_a_call_whose_switch_never_says_that_it_ended_is_over_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placed_call, "END_SECONDS", 0.01)
    call = await desk.place()
    carried = await desk.carrier.answers()
    carried.ended = True  # it performs nothing more, and tells nothing
    call.hang_up(Hangup(cause=16))
    async with asyncio.timeout(60):
        while not desk.ended:  # noqa: ASYNC110 - the call's own timer is what is waited for
            await asyncio.sleep(0.005)
    assert (desk.record.hangup_by, desk.record.cause) == ("script", 41)
    assert desk.placed.up == 0
