"""Customers whose calls are up beside each other: a script that kills its worker ends its own customer's at most."""

from collections.abc import Iterator

import pytest

from tests.acceptance.raw_sip import raw_caller
from tests.acceptance.voice_daemon import VoiceDaemon

SCRIPTS = {
    "stays": "await ctx.answer(); await ctx.waitForHangup(); await ctx.log('to its end')",
    "native": "await ctx.answer(); new Array(2**32-1).sort()",
}


@pytest.fixture
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceDaemon]:
    routes = "".join(
        f'[[destination]]\ndestination = "stays-{customer}"\nscript = "stays"\ncustomer = "{customer}"\n'
        for customer in ("north", "south", "east")
    )
    made = VoiceDaemon(tmp_path_factory.mktemp("voice"), SCRIPTS, voice="grace_seconds = 1.0", routes=routes)
    yield made.ready()
    made.stop()


def test_a_native_loop_ends_its_own_call_only(daemon: VoiceDaemon) -> None:
    address = (daemon.host, daemon.port)
    with (
        raw_caller(address, "stays-north") as north,
        raw_caller(address, "stays-south") as south,
        raw_caller(address, "stays") as own,
        raw_caller(address, "native") as hostile,
    ):
        for caller in (north, south, own, hostile):
            caller.up()
        hostile.socket.settimeout(60)
        bye = hostile.request("BYE")
        hostile.answer(bye)
        assert "cause=41" in (bye.get("reason") or "")
        with raw_caller(address, "stays-east") as east:
            east.up()
            # What shared the worker waits in another one now.
            for caller in (own, north, south, east):
                caller.bye()
                record = daemon.record(caller.call_id)
                assert (record["outcome"], record["hangup_by"]) == ("returned", "caller")
                assert record["log"] == ["to its end"]
