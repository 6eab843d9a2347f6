"""The switch's methods over a router of the test's own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sipio.errors import MalformedMessage
from sipio.routing import (
    Action,
    Decision,
    HeaderChanges,
    RoutingRequest,
    ScriptReference,
    SipRequest,
    pack_routing,
    unpack_routing,
)
from sipio.rpc.addresses import UnixAddress
from sipio.rpc.client import RpcClient
from sipio.rpc.errors import RpcError
from sipio.rpc.server import RpcServer
from sipio.rpc.service import Method
from sipio.rpc.switch import SwitchMethods

SECONDS = 60.0


class Run:
    """A decision that the test makes; cancelled, it answers as the contract says."""

    def __init__(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> None:
        self.request = request
        self.answer = answer
        self.cancelled = False
        self.ended = asyncio.Event()

    def cancel(self) -> None:
        self.cancelled = True
        self.ended.set()
        self.answer(Decision(action=Action.ROUTE, routing=self.request.routing, outcome="cancelled"))


class TestRouter:
    """Answers at once, or keeps the run when the customer is ``hold``."""

    __test__ = False

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.changed = asyncio.Event()

    def route(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> Run:
        if request.customer == "impossible":
            raise MalformedMessage("routing: no script could be given this")
        run = Run(request, answer)
        self.runs.append(run)
        self.changed.set()
        if request.customer != "hold":
            answer(Decision(action=Action.ROUTE, routing=request.routing, micros={"total": 7}))
        return run

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def router() -> TestRouter:
    return TestRouter()


@pytest.fixture
def methods(router: TestRouter) -> SwitchMethods:
    return SwitchMethods(
        router, name="scriptforge", version="9.9", stats=lambda: {"calls": 3}, scripts=lambda: {"scripts": []}
    )


@pytest.fixture
async def address(methods: SwitchMethods, tmp_path: Path) -> AsyncIterator[str]:
    server = RpcServer(methods.methods)
    await server.start([UnixAddress(path=tmp_path / "s")])
    yield f"unix:{tmp_path / 's'}"
    await server.close()


@pytest.fixture
async def client(address: str) -> AsyncIterator[RpcClient]:
    client = await RpcClient.connect(address)
    yield client
    await client.close()


async def test_hello_ping_stats_scripts(client: RpcClient) -> None:
    welcome = {
        "server": "scriptforge",
        "version": "9.9",
        "protocol": 1,
        "methods": ["cancel", "hello", "ping", "route", "scripts", "stats"],
    }
    assert await client.call("hello", {"client": "test", "version": "1", "newer": True}) == welcome
    assert await client.call("hello") == welcome
    assert await client.call("ping") == "pong"
    assert await client.call("stats", {}) == {"calls": 3}
    assert await client.call("scripts") == {"scripts": []}


async def test_call_records_go_to_those_who_asked(methods: SwitchMethods, address: str) -> None:
    heard: asyncio.Queue[list[Any]] = asyncio.Queue()
    taking = {"call.record": Method(list[Any], lambda params, _responder: heard.put_nowait(params), immediate=True)}
    asking = await RpcClient.connect(address, methods=taking)
    other = await RpcClient.connect(address, methods=taking)
    await other.call("hello", {"notify": ["unheard.of"]})
    await asking.call("hello", {"notify": ["call.record"]})
    methods.announce("call.record", {"id": "c1"})
    async with asyncio.timeout(SECONDS):
        assert await heard.get() == [{"id": "c1"}]
    assert heard.empty()
    await asking.close()
    await other.call("ping")
    methods.announce("call.record", {"id": "c2"})
    await other.close()


async def test_route_takes_one_map_and_gives_one(client: RpcClient, router: TestRouter) -> None:
    routing = {"cli": "31", "egress_routing": [{"gw": {7: {"rate": 0.5}}}]}
    request = {
        "call_id": "a@b",
        "direction": "origination",
        "customer": "7",
        "route": "main",
        "did": "442",
        "routing": routing,
        "sip": {"method": "INVITE", "uri": "sip:1@x", "headers": [["To", "<sip:1@x>"]], "source": "1.2.3.4:5060"},
        "timeout_ms": 100,
    }
    assert await client.call("route", request) == {
        "action": "route",
        "code": 0,
        "reason": "",
        "routing": routing,
        "headers": {"add": [], "remove": []},
        "outcome": "unassigned",
        "script": None,
        "micros": {"total": 7},
    }
    asked = router.runs[0].request
    assert (asked.direction, asked.did, asked.timeout_ms) == ("origination", "442", 100)
    assert asked.sip == SipRequest(uri="sip:1@x", headers=[("To", "<sip:1@x>")], source="1.2.3.4:5060")


async def test_a_reject_in_full(client: RpcClient, router: TestRouter) -> None:
    call = asyncio.ensure_future(
        client.call("route", {"call_id": "1", "customer": "hold", "routing": {}}, result_type=Decision)
    )
    await router.until(lambda: bool(router.runs))
    decision = Decision(
        action=Action.REJECT,
        code=404,
        reason="Not Found",
        routing=pack_routing({"a": [1]}),
        headers=HeaderChanges(add=[("X-A", "1")], remove=["X-B"]),
        outcome="sip_error",
        script=ScriptReference(id="s", name="n", version="v"),
        micros={"total": 5},
    )
    router.runs[0].answer(decision)
    assert await call == decision


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ([], "Expected `array` of"),
        ([{"call_id": "1"}], "missing required field `routing` - at `params[0]`"),
        ([{"call_id": 1, "routing": {}}], "got `int` - at `params[0].call_id`"),
        ([{"call_id": "1", "routing": []}], "at `params[0].routing`"),
        ([{"call_id": "1", "routing": {}, "direction": "up"}], "'up' - at `params[0].direction`"),
        ([{"call_id": "1", "routing": {}, "typo": 1}], "unknown field `typo` - at `params[0]`"),
        ([{"call_id": "1", "routing": {}, "customer": "impossible"}], "no script could be given this"),
        ([{"call_id": "1", "routing": {}, "timeout_ms": 0}], ">= 1 - at `params[0].timeout_ms`"),
        ([{"call_id": "1", "routing": {}, "timeout_ms": -1}], ">= 1 - at `params[0].timeout_ms`"),
        ([{"call_id": "1", "routing": {}, "timeout_ms": 2**64 - 1}], "- at `params[0].timeout_ms`"),
        ([{"call_id": "1", "routing": {}, "timeout_ms": 100.0}], "got `float` - at `params[0].timeout_ms`"),
        ([{"call_id": "1", "routing": {}, "timeout_ms": float("nan")}], "got `float` - at `params[0].timeout_ms`"),
        ([{"call_id": "1", "routing": {}, "timeout_ms": float("inf")}], "got `float` - at `params[0].timeout_ms`"),
        ([{"call_id": b"\xff", "routing": {}}], "got `bytes` - at `params[0].call_id`"),
        ([{"call_id": datetime(2020, 9, 13, tzinfo=UTC), "routing": {}}], "got `ext` - at `params[0].call_id`"),
        (
            [{"call_id": "1", "routing": {"x": [0, msgspec.msgpack.Ext(5, b"x")]}}],
            "type 5 is not accepted - at `params[0].routing.x[1]`",
        ),
    ],
)
async def test_wrong_shapes_name_the_field(client: RpcClient, params: list[Any], message: str) -> None:
    with pytest.raises(RpcError) as caught:
        await client.call("route", *params)
    assert caught.value.code == "bad_request"
    assert message in caught.value.message
    assert await client.call("ping") == "pong"


@pytest.mark.parametrize(
    ("routing", "where"),
    [
        ({"egress_routing": {"1": {"gw": {}}, "3": {"gw": {}}}}, "egress_routing`"),
        ({"egress_routing": {}}, "egress_routing`"),
        ({"egress_routing": "london"}, "egress_routing`"),
        ({"egress_routing": b"\xff"}, "egress_routing`"),
        ({"egress_routing": ["london"]}, "egress_routing[0]`"),
        ({"egress_routing": [{"gw": {}}, None]}, "egress_routing[1]`"),
        ({"egress_routing": [{"gw": "london"}]}, "egress_routing[0].gw`"),
        ({"egress_routing": [{"gw": [{"cli": "1"}]}]}, "egress_routing[0].gw`"),
        ({"egress_routing": [{"gw": {"london": "sip:x"}}]}, "egress_routing[0].gw[...]`"),
        ({"egress_routing": [{"gw": {"london": {"cli": ["1"]}}}]}, "egress_routing[0].gw[...].cli`"),
        ({"egress_routing": [{"headers": "X-A: 1"}]}, "egress_routing[0].headers`"),
        ({"egress_routing": [{"headers": [["X-A", "1"]]}]}, "egress_routing[0].headers[0]`"),
        ({"egress_routing": [{"remove_headers": [5]}]}, "egress_routing[0].remove_headers[0]`"),
        ({"headers": [{"key": "X-A", "value": ["1"]}]}, "headers[0].value`"),
        ({"headers": [{"key": 5, "value": "1"}]}, "headers[0].key`"),
        ({"headers": False}, "headers`"),
        ({"remove_headers": 0}, "remove_headers`"),
        ({"cli": {"number": "31"}}, "cli`"),
        ({"cli": True}, "cli`"),
        ({"dest_number": ["31"]}, "dest_number`"),
    ],
)
async def test_a_part_of_a_routing_of_the_wrong_shape_is_named_and_nobody_decides(
    client: RpcClient, router: TestRouter, routing: dict[str, Any], where: str
) -> None:
    with pytest.raises(RpcError) as caught:
        await client.call("route", {"call_id": "1", "routing": routing})
    assert caught.value.code == "bad_request"
    assert caught.value.message.endswith(f"at `params[0].routing.{where}")
    assert router.runs == []


@pytest.mark.parametrize(
    "routing",
    [
        {"egress_routing": None, "cli": None, "dest_number": 4930, "headers": None, "remove_headers": None},
        {"egress_routing": [{}, {"gw": None}, {"gw": {7: {"cli": 49.0}, "8": None}}]},
        {"egress_routing": [{"headers": {}, "remove_headers": {}}], "headers": {}, "remove_headers": {}},
        {"headers": [{"key": "X-A", "value": 1.5}], "remove_headers": ["X-B", {"key": "X-C"}]},
        {"account_id": {"any": ["thing"]}, "server": None, "direction": 5},
    ],
)
async def test_what_a_switch_may_leave_out_or_write_in_another_way_is_taken(
    client: RpcClient, routing: dict[str, Any]
) -> None:
    assert (await client.call("route", {"call_id": "1", "routing": routing}))["routing"] == routing


@pytest.mark.parametrize("fields", [{}, {b"customer": b"7"}, {"fail_closed": True}])
async def test_bin_that_is_utf8_is_text_whatever_stands_beside_it(
    client: RpcClient, router: TestRouter, fields: dict[Any, Any]
) -> None:
    routing = {"dest_number": b"4930", b"n\xc4\x81me": "\u0101", "raw": b"\xff\x00", "list": [{"deep": b"x"}]}
    await client.call("route", {"call_id": "1", "routing": routing, **fields})
    seen = {"dest_number": "4930", "n\u0101me": "\u0101", "raw": b"\xff\x00", "list": [{"deep": "x"}]}
    assert unpack_routing(router.runs[0].request.routing) == seen


async def test_a_timestamp_is_a_moment_in_a_routing(client: RpcClient, router: TestRouter) -> None:
    moment = datetime(2020, 9, 13, 12, 26, 40, 5, tzinfo=UTC)
    await client.call("route", {"call_id": "1", "routing": {"since": moment}})
    assert unpack_routing(router.runs[0].request.routing) == {"since": moment}


@pytest.mark.parametrize(
    ("sip", "message"),
    [
        ({"headers": [["To"]]}, "at `params[0].sip.headers[0]`"),
        ({"headers": [["To", 5]]}, "at `params[0].sip.headers[0][1]`"),
        ({"headers": {"To": "x"}}, "at `params[0].sip.headers`"),
        ({"headers": [["A", "b"]] * 513}, "at `params[0].sip.headers`"),
        ({"headers": [["A", "b" * 65_536]]}, "at `params[0].sip.headers[0][1]`"),
        ({"uri": 5}, "at `params[0].sip.uri`"),
        ({"url": "sip:1@x"}, "unknown field `url` - at `params[0].sip`"),
        (5, "at `params[0].sip`"),
        (["unheard of"], "at `params[0].sip`"),
    ],
)
async def test_a_sip_request_of_a_wrong_shape_is_the_switchs_mistake(
    client: RpcClient, router: TestRouter, sip: Any, message: str
) -> None:
    with pytest.raises(RpcError) as caught:
        await client.call("route", {"call_id": "1", "routing": {"cli": "31"}, "sip": sip})
    assert caught.value.code == "bad_request"
    assert message in caught.value.message
    assert not router.runs


async def test_a_sip_request_may_be_left_out_in_part_or_whole(client: RpcClient, router: TestRouter) -> None:
    for sip in (None, {}, {"uri": "sip:1@x"}):
        await client.call("route", {"call_id": "1", "routing": {}, "sip": sip})
    assert [run.request.sip for run in router.runs] == [None, SipRequest(), SipRequest(uri="sip:1@x")]


async def test_numbers_are_read_for_scripts_and_come_back_as_the_switch_wrote_them(
    client: RpcClient, router: TestRouter
) -> None:
    routing = {
        "cli": "+44-20",
        "dest_number": "+442079460000;npdi;rn=+44111",
        "egress_routing": [{"gw": {"a": {"cli": "+44-20"}, "b": {"cli": "tel:+4930"}, "c": {}}}, {"gw": None}],
        "tariff": 5,
    }
    answer = await client.call("route", {"call_id": "1", "did": "tel:+44-20", "routing": routing})
    asked = router.runs[0].request
    assert asked.did == "+4420"
    assert (unpack_routing(asked.routing)["cli"], unpack_routing(asked.routing)["dest_number"]) == (
        "+4420",
        "+442079460000",
    )
    assert unpack_routing(asked.routing)["dest_number_parameters"] == {"npdi": "", "rn": "+44111"}
    assert unpack_routing(asked.routing)["egress_routing"] == [
        {"gw": {"a": {"cli": "+4420"}, "b": {"cli": "+4930"}, "c": {}}},
        {"gw": None},
    ]
    assert answer["routing"] == routing


@pytest.mark.parametrize("cli", ["sip:+44-20@carrier.example;user=phone", '"Bob" <sip:%2B4420@carrier.example:5070>'])
async def test_a_number_is_read_from_a_whole_uri(client: RpcClient, router: TestRouter, cli: str) -> None:
    routing = {"cli": cli, "dest_number": "49", "egress_routing": [{"gw": {"a": {"cli": cli}}}]}
    answer = await client.call("route", {"call_id": "1", "did": "sips:+44-20@h", "routing": routing})
    asked = router.runs[0].request
    seen = unpack_routing(asked.routing)
    assert (asked.did, seen["cli"]) == ("+4420", "+4420")
    assert seen["egress_routing"] == [{"gw": {"a": {"cli": "+4420"}}}]
    assert answer["routing"] == routing


async def test_a_number_that_a_script_changed_comes_back_without_the_old_ones_parameters(
    client: RpcClient, router: TestRouter
) -> None:
    routing = {
        "cli": "+44-20",
        "dest_number": "+442079460000;npdi;rn=+44111",
        "egress_routing": [{"gw": {"a": {"cli": "+44-20"}}}],
    }
    request = {"call_id": "1", "customer": "hold", "routing": routing}
    call = asyncio.ensure_future(client.call("route", request, result_type=Decision))
    await router.until(lambda: bool(router.runs))
    changed = unpack_routing(router.runs[0].request.routing) | {"dest_number": "4930111"}
    changed["egress_routing"][0]["gw"]["a"]["cli"] = "77"
    router.runs[0].answer(Decision(action=Action.ROUTE, routing=pack_routing(changed)))
    assert unpack_routing((await call).routing) == {
        "cli": "+44-20",
        "dest_number": "4930111",
        "egress_routing": [{"gw": {"a": {"cli": "77"}}}],
    }


async def test_a_wrong_element_of_a_list_is_named_by_its_place(client: RpcClient) -> None:
    with pytest.raises(RpcError) as caught:
        await client.call("hello", {"notify": ["catalog_changed", 5]})
    assert caught.value.code == "bad_request"
    assert "got `int` - at `params[0].notify[1]`" in caught.value.message


async def test_all_strings_as_binary(client: RpcClient, router: TestRouter) -> None:
    await client.call("route", {b"call_id": b"1", b"routing": {b"cli": b"31"}})
    assert unpack_routing(router.runs[0].request.routing) == {"cli": "31"}


async def test_cancel_by_request_and_by_notification(client: RpcClient, router: TestRouter) -> None:
    held = {"call_id": "1", "customer": "hold", "routing": {}}
    calls = [asyncio.ensure_future(client.call("route", held)) for _ in range(2)]
    other = asyncio.ensure_future(client.call("route", {**held, "call_id": "2"}))
    await router.until(lambda: len(router.runs) == 3)
    assert await client.call("cancel", {"call_id": "1"}) == {"cancelled": 2}
    assert [(await call)["outcome"] for call in calls] == ["cancelled", "cancelled"]
    assert await client.call("cancel", {"call_id": "1"}) == {"cancelled": 0}
    client.notify("cancel", {"call_id": "2"})
    assert (await other)["outcome"] == "cancelled"


async def test_cancel_reaches_only_its_own_connection(client: RpcClient, router: TestRouter, address: str) -> None:
    call = asyncio.ensure_future(client.call("route", {"call_id": "1", "customer": "hold", "routing": {}}))
    await router.until(lambda: bool(router.runs))
    other = await RpcClient.connect(address)
    assert await other.call("cancel", {"call_id": "1"}) == {"cancelled": 0}
    await other.close()
    assert not router.runs[0].cancelled
    router.runs[0].cancel()
    await call


async def test_a_switch_that_goes_away_cancels_its_routes(
    methods: SwitchMethods, router: TestRouter, address: str
) -> None:
    client = await RpcClient.connect(address)
    call = asyncio.ensure_future(client.call("route", {"call_id": "1", "customer": "hold", "routing": {}}))
    await router.until(lambda: bool(router.runs))
    await client.close()
    await asyncio.gather(call, return_exceptions=True)
    async with asyncio.timeout(SECONDS):
        await router.runs[0].ended.wait()
    assert methods._routes == {}
