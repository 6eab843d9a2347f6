"""FreeSWITCH as the configuration asks for it: what it serves, and what it starts."""

from pathlib import Path

from sidecar.configuration.tree import FreeswitchSection
from sidecar.switches.freeswitch import FreeswitchPart
from sipio.host_port import HostPort
from tests.sidecar.switches.switch_doubles import Passing, Refusing, Workers, configuration
from tests.sipio.freeswitch.freeswitch_double import FakeChannel
from tests.sipio.freeswitch.test_freeswitch_server import Caller


async def test_freeswitch_decides_where_no_calls_are_taken(tmp_path: Path, workers: Workers) -> None:
    section = FreeswitchSection(listen=HostPort("127.0.0.1", 0))
    switch = FreeswitchPart(configuration(tmp_path, freeswitch=section), Passing(), None, workers)
    await switch.start()
    [address] = switch.state().addresses
    port = int(address.rpartition(":")[2])
    channel = FakeChannel(variables={"scriptforge_mode": "class4", "scriptforge_candidates": "a=user/1"})
    caller = await Caller.connect(port, channel)
    await caller.until_closed()
    snapshot = switch.snapshot()
    assert snapshot is not None
    assert snapshot.class4 == 1
    assert workers.asked == 0
    await switch.close()


async def test_freeswitch_that_brings_calls_asks_for_their_workers_first(tmp_path: Path, workers: Workers) -> None:
    section = FreeswitchSection(listen=HostPort("127.0.0.1", 0))
    switch = FreeswitchPart(configuration(tmp_path, freeswitch=section), Passing(), Refusing(), workers)
    await switch.start()
    assert workers.asked == 1
    switch.stop_accepting()
    await switch.close()


async def test_without_an_address_there_is_no_freeswitch(tmp_path: Path, workers: Workers) -> None:
    switch = FreeswitchPart(configuration(tmp_path), Passing(), Refusing(), workers)
    await switch.start()
    assert (switch.state().addresses, switch.snapshot(), workers.asked) == ((), None, 0)
    switch.stop_accepting()
    await switch.close()
