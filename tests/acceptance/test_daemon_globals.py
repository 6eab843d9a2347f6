"""Scripts before and after every call's own, and records that are sampled, in a daemon of their own."""

from pathlib import Path

from tests.acceptance.processes import wait_until
from tests.acceptance.routing_scripts import SCRIPTS, route, three
from tests.acceptance.serving import Serving

GLOBALS = """
[[script]]
file = "before.js"
global_routing_priority = "first"
error_action = "continue"
[[script]]
file = "after.js"
global_routing_priority = "last"
[[script]]
file = "slow.js"
kind = "app"
[[script]]
file = "rejected.js"
kind = "app"
global_routing_priority = "disabled"
[[route]]
customer = "whole"
script = "whole"
vars = { dial = { prefix = "" } }
[[route]]
customer = "broken"
script = "broken"
[[route]]
customer = "threw"
script = "threw"
"""


async def test_globals_around_the_calls_own_script(tmp_path: Path) -> None:
    daemon = Serving(tmp_path, SCRIPTS, GLOBALS, '[decisions]\nerror_action = "continue"\n').ready()
    try:
        client = await daemon.client()
        for customer in ("nobody", "broken"):
            decision = await route(client, customer)
            assert decision["routing"]["trail"] == "first last"
            assert decision["headers"]["add"] == [["X-Order", "first"], ["X-Order", "last"]]
        assert (await route(client, "threw"))["code"] == 404
        decision = await route(client, "whole", routing={"egress_routing": three()})
        assert decision["outcome"] == "returned"
        assert decision["routing"]["trail"] == "first last"
        assert decision["routing"]["egress_routing"][0]["name"] == "9"
        added = [name for name, _ in decision["headers"]["add"]]
        assert added == ["X-Env", "X-All", "X-Order"]
        assert decision["script"]["id"] == "whole"
        await client.close()
    finally:
        daemon.stop()


async def test_records_are_sampled_when_told_so(tmp_path: Path) -> None:
    daemon = Serving(
        tmp_path, {"same": SCRIPTS["same"], "threw": SCRIPTS["threw"]}, None, "[log]\ndecision_sample = 0.0\n"
    )
    try:
        client = await daemon.ready().client()
        for number in range(20):
            await route(client, "same", f"n{number}")
            await route(client, "nobody", f"u{number}")
        await route(client, "threw", "last")
        await client.close()
        wait_until(lambda: bool(daemon.records()), "a record")
        assert [record["call_id"] for record in daemon.records()] == ["last"]
    finally:
        daemon.stop()
