"""What a switch is told by the running daemon: scripts, globals, header changes, failures, records, metrics, logs."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from sipio.rpc.client import RpcClient
from sipio.rpc.errors import RpcError
from tests.acceptance.processes import free_port
from tests.acceptance.routing_scripts import ASSIGNMENTS, SCRIPTS, route, three
from tests.acceptance.serving import DESTINATION, Serving, metrics, page, request


@pytest.fixture(scope="module")
def port() -> int:
    return free_port("127.0.0.1", socket.SOCK_STREAM)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Serving]:
    serving = Serving(
        tmp_path_factory.mktemp("routing"),
        SCRIPTS,
        ASSIGNMENTS,
        '[log]\nlevel = "debug"\n',
        {"SCRIPTFORGE_METRICS__LISTEN": f"127.0.0.1:{port}"},
    )
    try:
        yield serving.ready()
    finally:
        serving.stop()


@pytest_asyncio.fixture
async def client(daemon: Serving) -> AsyncIterator[RpcClient]:
    client = await daemon.client()
    yield client
    await client.close()


async def test_a_whole_script(client: RpcClient) -> None:
    decision = await route(client, "whole", "id-1", routing={"egress_routing": three()})
    assert decision["outcome"] == "returned"
    assert decision["action"] == "route"
    assert decision["script"]["id"] == "the-whole"
    assert decision["script"]["name"] == "All of it.js"
    routing = decision["routing"]
    assert [one["name"] for one in routing["egress_routing"]] == ["9", "7", "8"]
    assert [next(iter(one["gw"].values()))["cli"] for one in routing["egress_routing"]] == [
        "+31880000001",
        "+31880000001",
        "+31880000008",
    ]
    assert (routing["cli"], routing["dest_number"]) == ("+31880000001", "003131887654321")
    assert routing["egress_routing"][1]["headers"] == [{"key": "X-Class", "value": "7"}]
    assert routing["egress_routing"][1]["remove_headers"] == [{"key": "X-Class"}]
    environment = "the-whole All of it.js tariffs id-1 gold 11111111-2222-3333-4444-555555555555"
    assert decision["headers"] == {
        "add": [["X-Env", environment], ["X-All", "list"]],
        "remove": ["P-Asserted-Identity"],
    }
    assert set(decision["micros"]) == {"total", "script", "transfer", "decide"}


async def test_a_did_and_the_oldest_dialect(client: RpcClient) -> None:
    decision = await route(client, "", direction="origination", did="31201112222")
    assert (decision["outcome"], decision["routing"]["cli"]) == ("returned", "100")


async def test_a_did_is_found_however_the_switch_writes_it_and_the_number_keeps_its_spelling(client: RpcClient) -> None:
    routing = {"cli": "+31-20", "dest_number": "tel:31201112222;npdi;rn=+44111"}
    for did in ("31201112222;npdi;rn=+44111", "tel:31-20-1112222", "%331201112222"):
        decision = await route(client, "", direction="origination", did=did, routing=routing)
        assert (decision["outcome"], decision["routing"]["cli"]) == ("returned", "100")
        assert decision["routing"]["dest_number"] == routing["dest_number"]
        assert "dest_number_parameters" not in decision["routing"]


async def test_a_script_reads_the_sip_request(client: RpcClient) -> None:
    sip = {"source": "192.0.2.1:5060", "headers": [["User-Agent", 'a\u2028"\x00'], ["User-Agent", "b"]]}
    decision = await route(client, "reads_sip", sip=sip)
    assert decision["routing"]["seen"] == ["192.0.2.1:5060", 'a\u2028"\x00']
    decision = await route(client, "reads_sip")
    assert decision["routing"]["seen"] == ["", None]
    with pytest.raises(RpcError, match=r"params\[0\]\.sip\.headers"):
        await route(client, "reads_sip", sip={"headers": {"User-Agent": "a"}})


async def test_without_an_assignment_the_decision_comes_back_unchanged(client: RpcClient) -> None:
    routing = {"anything": [None, True, 2**64 - 1, -(2**63), 1.5, b"\xff\x00", {"": ""}]}
    decision = await route(client, "nobody", routing=routing)
    assert decision["routing"] == request("nobody", routing=routing)["routing"]
    assert (decision["outcome"], decision["action"], decision["script"]) == ("unassigned", "route", None)


@pytest.mark.parametrize(
    ("customer", "code", "reason", "outcome"),
    [
        ("refused", 604, "Number not found", "sip_error"),
        ("threw", 404, "Not Found", "sip_error"),
        ("rejected", 603, "Declined", "sip_error"),
        ("smuggles", 500, "Failed", "script_error"),
        ("via", 500, "Failed", "script_error"),
        ("requires", 500, "Failed", "script_error"),
        ("names", 500, "Failed", "script_error"),
        ("endless", 503, "Too Slow", "timed_out"),
        ("hungry", 480, "No Memory", "out_of_memory"),
    ],
)
async def test_refusals_and_failures(
    daemon: Serving, client: RpcClient, customer: str, code: int, reason: str, outcome: str
) -> None:
    call_id = f"failure-{customer}"
    decision = await route(client, customer, call_id)
    assert decision["action"] == "reject"
    assert (decision["code"], decision["reason"], decision["outcome"]) == (code, reason, outcome)
    record = daemon.record(call_id)
    assert (record["outcome"], record["code"], record["decision"]) == (outcome, code, "reject")
    error = {"smuggles": "X-A", "via": "vIA", "requires": "cxKV", "names": "a\n{"}.get(customer, "")
    assert error in record.get("error", "")


async def test_failures_that_leave_the_call_to_the_switch(daemon: Serving, client: RpcClient) -> None:
    for customer, called, outcome in (("broken", "", "script_error"), ("endless", "open", "timed_out")):
        decision = await route(client, customer, f"open-{customer}", route=called)
        assert (decision["action"], decision["outcome"]) == ("route", outcome)
        assert decision["routing"] == request(customer)["routing"]
        assert decision["headers"] == {"add": [], "remove": []}
    assert daemon.record("open-broken")["error_location"].startswith("broken.js:4:")


async def test_the_switch_shortens_the_time_alone(client: RpcClient) -> None:
    decision = await route(client, "slow", timeout_ms=50)
    assert decision["outcome"] == "timed_out"
    assert decision["micros"]["total"] < 1_500_000


async def test_an_emptied_list_is_no_route(client: RpcClient) -> None:
    decision = await route(client, "empties")
    assert (decision["action"], decision["routing"]["egress_routing"]) == ("route", [])


async def test_values_that_javascript_or_the_wire_cannot_hold(client: RpcClient) -> None:
    decision = await route(client, "account", routing={"account_id": 2**53 + 1})
    assert decision["routing"]["account_id"] == 2**53 + 1
    assert decision["headers"]["add"] == [["X-Account", "9007199254740993"]]
    decision = await route(client, "huge")
    assert (decision["routing"]["x"], decision["routing"]["name"]) == (1e20, "a?")
    decision = await route(client, "same", routing={"x": float("nan"), "y": float("-inf"), "z": b"\xff", "k": {1: 2}})
    assert {key: decision["routing"][key] for key in "xyzk"} == {"x": None, "y": None, "z": "/w==", "k": {"1": 2}}


async def test_odd_texts_and_keys_of_a_switch(client: RpcClient) -> None:
    odd = {"": "", "__proto__": {"cli": "1"}, "constructor": 3, "toString": "x", "\u212b": "\x00\ufeff\U0001f600"}
    assert (await route(client, "same", "", routing=odd))["routing"] == request("", routing=odd)["routing"]
    decision = await route(client, "same", "x" * 500_000)
    assert decision["outcome"] == "returned"
    many = [{"n": index} for index in range(10_000)]
    assert (await route(client, "same", routing={"egress_routing": many}))["routing"]["egress_routing"] == many


@pytest.mark.parametrize(
    "routing",
    [
        {"headers": 5},
        {"headers": [{"key": "Via", "value": "x"}]},
        {"x": {True: 1}},
        {"remove_headers": "Via"},
        {"egress_routing": {"1": {"gw": {"london": {}}}, "3": {"gw": {"paris": {}}}}},
        {"egress_routing": {"gw": {"london": {}}}},
        {"egress_routing": "london"},
        {"egress_routing": [{"gw": {"london": {}}, "headers": [{"key": "Via", "value": "x"}]}]},
        {"cli": ["31"]},
        {"x": "x" * 1_000_000},
    ],
)
async def test_what_no_script_can_be_given_is_the_switchs_mistake(client: RpcClient, routing: dict[str, Any]) -> None:
    with pytest.raises(RpcError) as caught:
        await route(client, "same", routing=routing)
    assert caught.value.code == "bad_request"
    assert next(iter(routing)) in caught.value.message or "routing has" in caught.value.message
    assert (await route(client, "same"))["outcome"] == "returned"


async def test_a_number_is_the_same_to_a_script_as_str_and_as_bin(client: RpcClient) -> None:
    for key in ("dest_number", b"dest_number"):
        for number in ("4930", b"4930"):
            decision = await client.call("route", {"call_id": "c", "customer": "same", "routing": {key: number}})
            assert (decision["outcome"], decision["routing"]["dest_number"]) == ("returned", "4930")


@pytest.mark.parametrize("field", ["call_id", "customer", "route", "did"])
async def test_half_a_surrogate_pair_in_a_field(daemon: Serving, field: str) -> None:
    reader, writer = await asyncio.open_unix_connection(str(daemon.socket))
    half = b"\xed\xa0\xbd"
    params = (
        b"\x83" + _text(b"call_id") + _text(b"c") + _text(field.encode()) + _text(half) + _text(b"routing") + b"\x80"
    )
    writer.write(b"\x94\x00\x07" + _text(b"route") + b"\x91" + params)
    assert b"UTF-8" in await asyncio.wait_for(reader.read(1000), 5)
    writer.write(b"\x94\x00\x08" + _text(b"ping") + b"\x90")
    assert b"pong" in await asyncio.wait_for(reader.read(1000), 5)
    writer.close()
    await writer.wait_closed()


def _text(text: bytes) -> bytes:
    return bytes([0xA0 + len(text)]) + text


async def test_a_prototype_is_no_field_and_leaves_nothing(client: RpcClient) -> None:
    await route(client, "prototypes")
    decision = await route(client, "same")
    assert decision["routing"] == request("same")["routing"]


async def test_one_object_in_the_list_many_times(client: RpcClient) -> None:
    decision = await route(client, "repeats")
    destinations = decision["routing"]["egress_routing"]
    assert len(destinations) == 400
    assert all(one == DESTINATION | {"headers": [{"key": "X-N", "value": "1"}]} for one in destinations)


async def test_console_output_forges_no_line(daemon: Serving, client: RpcClient) -> None:
    await route(client, "talks", "talks-1")
    daemon.program.wait_for('"call_id":"talks-1".*an object')
    lines = [line for line in daemon.records("console") if line["call_id"] == "talks-1"]
    assert [line["console"] for line in lines] == ["log", "error"]
    assert lines[0]["text"].startswith('half ?\n{"action":"decision","call_id":"forged"}\x1b[31m')
    assert not [one for one in daemon.records() if one["call_id"] == "forged"]
    for line in daemon.program.lines("talks-1"):
        assert line.endswith("\n")
        assert not set(line[:-1]) & set("\x00\x1b\x9b\u2028\r\n")


async def test_cancel_by_the_caller(daemon: Serving, client: RpcClient) -> None:
    waiting = asyncio.ensure_future(route(client, "slow", "cancel-me"))
    other = await daemon.client()
    async with asyncio.timeout(10):
        # Until the daemon has it, a cancel finds nothing; a call of another connection is never one's to cancel.
        assert await other.call("cancel", {"call_id": "cancel-me"}) == {"cancelled": 0}
        while (await client.call("cancel", {"call_id": "cancel-me"}))["cancelled"] == 0:
            pass
        decision = await waiting
    assert (decision["outcome"], decision["action"], decision["code"]) == ("cancelled", "reject", 487)
    await other.close()
    assert (await client.call("stats"))["pending"] == 0


async def test_cancel_by_a_peer_that_goes_away(daemon: Serving, client: RpcClient) -> None:
    other = await daemon.client()
    other.request("route", (request("slow", "gone"),), lambda *_: None)
    async with asyncio.timeout(10):
        while (await client.call("stats"))["pending"] == 0:
            pass
        await other.close()
        while (await client.call("stats"))["pending"]:
            pass
    assert daemon.record("gone")["outcome"] == "cancelled"


async def test_hello_scripts_and_stats(client: RpcClient) -> None:
    welcome = await client.call("hello", {"client": "test", "version": "1"})
    methods = ["call.event", "call.start", "cancel", "console.follow", "hello", "ping", "route"]
    methods += ["scripts", "stats"]
    assert welcome["methods"] == methods
    assert welcome["server"]
    assert await client.call("ping") == "pong"
    loaded = {script["id"]: script for script in (await client.call("scripts"))["scripts"]}
    assert set(loaded) == (set(SCRIPTS) - {"whole"}) | {"the-whole"}
    assert loaded["slow"]["kind"] == "app"
    assert all(script["version"] for script in loaded.values())
    stats = await client.call("stats")
    assert stats["confined"] is True
    assert stats["workers"] == {"fast": 1, "held": 0, "slow": 1, "spare": 1} or stats["workers"]["fast"] >= 1


async def test_the_metrics_page_and_health(client: RpcClient, daemon: Serving, port: int) -> None:
    before = await asyncio.to_thread(metrics, port)
    for customer in ("same", "nobody", "threw", "broken"):
        await route(client, customer)

    def grown(*key: str) -> float:
        return after.get(key, 0.0) - before.get(key, 0.0)

    async with asyncio.timeout(60):
        while True:
            after = await asyncio.to_thread(metrics, port)
            if grown("scriptforge_decisions_total", "route", "script_error"):
                break
    for outcome, action in (("returned", "route"), ("unassigned", "route"), ("sip_error", "reject")):
        assert grown("scriptforge_decisions_total", action, outcome) == 1
    assert grown("scriptforge_rejected_total", "404") == 1
    assert grown("scriptforge_stage_seconds_count", "total") == 4
    assert grown("scriptforge_rpc_requests_total", "route") == 4
    # Two of them returned as far as the sandbox knows, one of those with a SIP error; without a script is no run.
    assert grown("scriptforge_script_runs_total", "returned") == 2
    assert grown("scriptforge_script_runs_total", "script_error") == 1
    assert "unassigned" not in {key[1] for key in after if key[0] == "scriptforge_script_runs_total"}
    assert after["scriptforge_confined",] == 1
    assert after["scriptforge_catalog_reload_success",] == 1
    status, health = await asyncio.to_thread(page, port, "/health")
    assert (status, json.loads(health)["state"]) == (200, "serving")
