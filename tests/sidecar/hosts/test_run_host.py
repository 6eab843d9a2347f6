"""A run's questions to the modules that it was granted: answered beside it, bounded, given up with it."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from sandbox.host import HostCall
from sidecar.catalog.compile import make_script
from sidecar.catalog.model import Script
from sidecar.configuration.tree import Configuration
from sidecar.hosts import run_host
from sidecar.hosts.errors import HostError, HostFull, HostSlow, HostUnavailable
from sidecar.hosts.grants import CALL_MODULE, Grants
from sidecar.hosts.module import Asker, HostModule
from sidecar.hosts.request import SOCKET_MODULE
from sidecar.hosts.run_host import RunHost
from sidecar.hosts.services import Services
from sidecar.kind import Kind

TEXT = "const kv = require('kv'); async function main() { return kv.get('a') }"


def script(text: str = TEXT, kind: Kind = Kind.APP, modules: frozenset[str] | None = None) -> Script:
    return make_script(id="s", name="s.js", kind=kind, text=text, modules=modules)


async def answer(asker: Asker, method: str, values: list[Any]) -> Any:
    if method == "get":
        return {"asker": asker.script.id, "call": asker.correlation_id, "values": values}
    if method == "set":
        raise HostError("the key is too long", name="RangeError")
    if method in FAILURES:
        raise FAILURES[method]
    if method == "wait":
        await asyncio.Event().wait()
    if method == "cancelled":
        # As of a task that several runs share, of which one has ended.
        raise asyncio.CancelledError
    if method == "exits":
        raise SystemExit(3)
    if method == "long":
        return "x" * (values[0] - len(b"\xdb1234"))  # the head of a text of more than 64 KB
    if method == "odd":
        return ODD[values[0]]
    return object()


FAILURES = {"away": HostUnavailable("away"), "slow": HostSlow("slow"), "full": HostFull("full")}
ODD: dict[str, Any] = {
    "half a surrogate pair": {"\ud83d": ["cut \ud83d", "\U0001f600"]},
    "an integer of 64 bits": [2**64 - 1, -(2**63)],
    "an integer of more": [2**64, -(2**63) - 1, {"deeper": [2**100]}],
    "a number that is none": [float("nan"), float("inf"), float("-inf")],
    "bytes": {"key": b"\xff\x00", b"\xff": 1},
    "a date": datetime(2024, 2, 29, 12, tzinfo=UTC),
    "keys that are numbers": {1: "a", 2.5: "b"},
}


KV = HostModule(name="kv", javascript="() => ({})", answer=answer)


class Question:
    """A host call and what became of it."""

    def __init__(self, host: RunHost, name: str, *values: Any) -> None:
        self.answers: list[tuple[bool, Any]] = []
        self._came = asyncio.Event()
        host.asked(HostCall(name, list(values), self._answered))

    def _answered(self, succeeded: bool, value: bytes, _: float | None) -> None:
        self.answers.append((succeeded, msgspec.msgpack.decode(value)))
        self._came.set()

    async def answer(self) -> tuple[bool, Any]:
        async with asyncio.timeout(60):
            await self._came.wait()
        (one,) = self.answers
        return one


@pytest.fixture
def host() -> RunHost:
    return Grants([KV], Services(Configuration())).host(script(), "call-1")


async def test_a_module_answers_its_asker(host: RunHost) -> None:
    answered = await Question(host, "kv.get", "a", 1).answer()
    assert answered == (True, {"asker": "s", "call": "call-1", "values": ["a", 1]})


async def test_what_cannot_be_is_rejected_with_the_modules_own_words(host: RunHost) -> None:
    answered = await Question(host, "kv.set").answer()
    assert answered == (False, {"message": "the key is too long", "name": "RangeError"})


@pytest.mark.parametrize(
    ("method", "outage"), [("get", False), ("set", False), ("away", True), ("slow", False), ("full", False)]
)
async def test_only_what_does_not_answer_is_an_outage(host: RunHost, method: str, *, outage: bool) -> None:
    await Question(host, f"kv.{method}").answer()
    await Question(host, "kv.get").answer()
    assert host.had_outage == outage


@pytest.mark.parametrize("name", ["fetch.get", "perform", "kv", ".get", ""])
async def test_a_module_that_was_not_granted_does_not_answer(name: str) -> None:
    host = Grants([KV], Services(Configuration())).host(script(text="'nothing is named here'"), "")
    answered = await Question(host, name).answer()
    assert answered == (False, {"message": f"there is no host call {name}", "name": "Error"})


async def test_a_modules_own_mistake_is_logged_and_told_without_its_words(
    host: RunHost, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answered = await Question(host, "kv.unwritable").answer()
    assert answered == (False, {"message": "kv: the host failed", "name": "Error"})
    (line,) = caplog.records
    assert (line.msg, line.__dict__["host_module"], line.__dict__["method"]) == (
        "host_module_failed",
        "kv",
        "unwritable",
    )


@pytest.mark.parametrize("method", ["cancelled", "exits"])
async def test_a_module_fails_by_whatever_ends_it_and_ends_nothing_else(
    method: str, host: RunHost, caplog: pytest.LogCaptureFixture
) -> None:
    answered = await Question(host, f"kv.{method}").answer()
    assert answered == (False, {"message": "kv: the host failed", "name": "Error"})
    assert [line.msg for line in caplog.records] == ["host_module_failed"]


async def test_an_answer_is_bounded(host: RunHost) -> None:
    assert (await Question(host, "kv.long", run_host.ANSWER_BYTES).answer())[0]
    answered = await Question(host, "kv.long", run_host.ANSWER_BYTES + 1).answer()
    assert answered == (False, {"message": "kv: the answer has more than 1000000 bytes", "name": "RangeError"})


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        ("half a surrogate pair", {"?": ["cut ?", "\U0001f600"]}),
        ("an integer of 64 bits", [2**64 - 1, -(2**63)]),
        ("an integer of more", ["18446744073709551616", "-9223372036854775809", {"deeper": [f"{2**100}"]}]),
        ("a number that is none", [None, None, None]),
        ("bytes", {"key": "/wA=", "/w==": 1}),
        ("a date", "2024-02-29T12:00:00Z"),
        ("keys that are numbers", {"1": "a", "2.5": "b"}),
    ],
)
async def test_what_json_has_not_is_told_as_what_it_has(odd: str, told: Any, host: RunHost) -> None:
    assert await Question(host, "kv.odd", odd).answer() == (True, told)


@pytest.mark.parametrize(
    "value", [object(), {None: 1}, {(1, 2): 3}, 1j, msgspec.msgpack.Ext(5, b"x"), {"big": 10**5000}]
)
async def test_what_json_cannot_say_is_the_modules_mistake(
    value: Any, monkeypatch: pytest.MonkeyPatch, host: RunHost, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(ODD, "this", value)
    answered = await Question(host, "kv.odd", "this").answer()
    assert answered == (False, {"message": "kv: the host failed", "name": "Error"})
    assert [line.msg for line in caplog.records] == ["host_module_failed"]


async def test_an_error_may_quote_half_a_surrogate_pair(host: RunHost) -> None:
    answered = await Question(host, "none\udc00.get").answer()
    assert answered == (False, {"message": "there is no host call none?.get", "name": "Error"})


async def test_what_waits_is_given_up_with_its_run(host: RunHost) -> None:
    waiting = [Question(host, "kv.wait") for _ in range(3)]
    await asyncio.sleep(0)
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert len(tasks) == 3
    host.ended()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)
    assert [question.answers for question in waiting] == [[], [], []]


async def test_so_many_questions_wait_at_once_and_no_more(host: RunHost) -> None:
    for _ in range(run_host.ASKED_AT_ONCE):
        Question(host, "kv.wait")
    answered = await Question(host, "kv.get").answer()
    assert answered == (False, {"message": "kv: more than 100 questions at once (await them)", "name": "RangeError"})
    host.ended()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (await Question(host, "kv.get").answer())[0], "what was given up takes no room"


async def test_so_many_questions_of_a_run_in_all(host: RunHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_host, "ASKED", 2)
    for _ in range(2):
        assert (await Question(host, "kv.get").answer())[0]
    answered = await Question(host, "kv.get").answer()
    assert answered == (False, {"message": "kv: more than 2 questions of one run", "name": "RangeError"})


@pytest.mark.parametrize(
    ("one", "granted"),
    [
        (script(), True),
        (script(modules=frozenset({"kv", "fetch"})), True),
        (script(modules=frozenset({"fetch"})), False),
        (script(modules=frozenset()), False),
        (script(text="async function main() {}"), False),
        (script(kind=Kind.SCRIPT), False),
    ],
)
def test_a_module_is_granted_by_kind_by_script_and_where_it_is_named(one: Script, granted: bool) -> None:
    assert list(Grants([KV]).granted(one)) == (["kv"] if granted else [])


def test_the_names_that_a_script_may_require() -> None:
    names = Grants([KV]).names()
    assert {"crypto", "node:crypto"} < names
    # Node's own have two names each.
    assert {name for name in names if f"node:{name.removeprefix('node:')}" not in names} == {
        CALL_MODULE,
        SOCKET_MODULE,
        "kv",
    }


@pytest.mark.parametrize("name", ["", "kv.get", "."])
def test_a_module_whose_questions_would_not_be_told_from_anothers(name: str) -> None:
    with pytest.raises(ValueError, match="is no name of a module"):
        HostModule(name=name, javascript="() => ({})", answer=answer)


@pytest.mark.parametrize("name", ["kv", CALL_MODULE, SOCKET_MODULE])
def test_a_name_is_one_modules(name: str) -> None:
    with pytest.raises(ValueError, match=f"there are two modules {name}"):
        Grants([KV, HostModule(name=name, javascript="() => ({})", answer=answer)])
