"""The adapter of runs over HTTP in a context of its own, and its web socket's host."""

import asyncio
from typing import Any

import pytest

from sandbox import values
from sandbox.host import HostCall
from sandbox.outcome import Completion, Returned, Threw
from sandbox.program import Invocation, Limits, Program
from sidecar import hosts
from sidecar.hosts.request import Reject, UnreadableResult, pack_input, read_result
from sidecar.hosts.web_socket import FRAMES, UNSENT, WebSocketHost
from tests.doubles.engine_runner import EngineRunner


def outcome(text: str, data: dict[str, Any] | None = None, *, suspends: bool = True) -> Any:
    program = Program(key="k", name="a.js", suspends=suspends, text=text, adapter=hosts.source("request"))
    done: list[Completion] = []
    invocation = Invocation(program=program, input=pack_input(data or {}), limits=Limits())
    EngineRunner().submit(invocation, done.append)
    return done[0].outcome


def result(text: str, data: dict[str, Any] | None = None, *, suspends: bool = True) -> Any:
    found = outcome(text, data, suspends=suspends)
    assert isinstance(found, Returned), found
    return read_result(found.value)


@pytest.mark.parametrize("suspends", [False, True])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return data", {"a": [1, None, "x"]}),
        ("return undefined", None),
        ("return null", None),
        ("return data.a.length", 3),
        ("return { reject: [404, 'x', 'y'] }", {"reject": [404, "x", "y"]}),
        ("throw new Error('404')", Reject(404, "", "Error")),
        ("throw new TypeError(' 418  I am\\na pot ')", Reject(418, "I am\na pot", "TypeError")),
        ("throw '503 Busy'", Reject(503, "Busy", "Error")),
        ("throw [500]", Reject(500, "", "Error")),
        ("throw ['422', 7]", Reject(422, "7", "Error")),
    ],
)
def test_what_a_function_gives(body: str, expected: Any, suspends: bool) -> None:
    assert result(f"function main(data) {{ {body} }}", {"a": [1, None, "x"]}, suspends=suspends) == expected


@pytest.mark.parametrize(
    "thrown",
    [
        *("new Error('399 Low')", "new Error('600 High')", "new Error('4040')", "new Error('404.5 x')"),
        *("[404, 1, 2]", "[]", "[302]", "404", "{ message: '404 x' }", "null"),
    ],
)
def test_what_is_no_status_is_an_error(thrown: str) -> None:
    assert isinstance(outcome(f"function main() {{ throw {thrown} }}"), Threw)


def test_a_script_that_changes_its_globals_changes_no_answer() -> None:
    text = """
    Error = undefined; RegExp.prototype.exec = () => { throw 1 }; Array.isArray = () => true; String = () => 'x';
    Reflect.apply = () => 1;
    async function main() { throw new TypeError('404 No') }
    """
    assert result(text) == Reject(404, "No", "TypeError")


@pytest.mark.parametrize(
    "value", [b"", b"\xc0", b"\xff", values.encode({"reject": [200, "", ""]}), values.encode({"reject": "x"})]
)
def test_a_result_that_no_adapter_has_made(value: bytes) -> None:
    with pytest.raises(UnreadableResult):
        read_result(value)


# ---- the host of a web socket ----


class Asked:
    """A host call, and its answer."""

    def __init__(self, host: WebSocketHost, name: str, *arguments: Any) -> None:
        self.answer: tuple[bool, bytes] | None = None
        host.asked(HostCall(name, list(arguments), self._answered))

    def _answered(self, succeeded: bool, value: bytes, _: float | None) -> None:
        self.answer = succeeded, value


async def test_frames_wait_for_the_script_and_the_peer_for_room() -> None:
    host = WebSocketHost(None)
    for number in range(FRAMES):
        await host.frame(str(number))
    waiting = asyncio.ensure_future(host.frame("last"))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert Asked(host, "socket.receive").answer == (True, values.encode({"frame": "0"}))
    await waiting
    host.close()
    found = [Asked(host, "socket.receive").answer for _ in range(FRAMES)]
    assert found[-1] == (True, values.encode({"frame": "last"}))
    assert Asked(host, "socket.receive").answer == (True, values.encode({"closed": True}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', {"a": 1}),
        (" [1]", [1]),
        ("1", "1"),
        ("{", "{"),
        ("[" * 10_000, "[" * 10_000),
        ("[" * 100_000, "[" * 100_000),
        ("[" + "0," * 19_999 + "0]", [0] * 20_000),
        ("[" + "0," * 20_000 + "0]", "[" + "0," * 20_000 + "0]"),
        ('["' + "," * 60_000 + '"]', ["," * 60_000]),
        ('"x"', '"x"'),
        ("", ""),
    ],
)
async def test_json_objects_and_lists_come_parsed(text: str, expected: Any) -> None:
    host = WebSocketHost(None)
    await host.frame(text)
    assert Asked(host, "socket.receive").answer == (True, values.encode({"frame": expected}))


async def test_texts_leave_in_their_order_and_no_more_than_are_held() -> None:
    host = WebSocketHost(None)
    asked = [Asked(host, "socket.send", str(number)) for number in range(UNSENT + 1)]
    assert asked[-1].answer is not None
    assert not asked[-1].answer[0]
    for number in range(UNSENT):
        found = await host.next_text()
        assert found is not None
        assert found[0] == str(number)
        assert asked[number].answer is None
        found[1].resolve(None)
        assert asked[number].answer == (True, values.encode(None))
    host.ended()
    assert await host.next_text() is None
    await host.frame("late")
    assert Asked(host, "socket.send", "late").answer is not None


@pytest.mark.parametrize("name", ["socket.send", "socket.none", "other.ask"])
async def test_what_it_does_not_know_is_rejected(name: str) -> None:
    answer = Asked(WebSocketHost(None), name).answer
    assert answer is not None
    assert not answer[0]
