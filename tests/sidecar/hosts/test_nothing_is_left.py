"""What one run does to the adapter, the language and the call is not there in the next one of its program."""

from typing import Any

import pytest

from sandbox.engine import Context, LoadedProgram, Status
from sandbox.program import Program
from sandbox.status import Tag
from sidecar import hosts
from tests.sandbox.support import packed, unpacked

ROUTING = {
    "routing": {"cli": "1", "dest_number": "2", "egress_routing": [{"gw": {"a": {"cli": "1"}}}, {"gw": {"b": {}}}]},
    "headers": [],
    "remove_headers": [],
    "vars": {"first": True},
    "tells_unread": True,
}
CALL = {
    "call": {"id": "c1", "actions": 20, "headers": [["X-A", "b"]], "variables": {}, "known": {"uuid": "u"}},
    "data": {"cli": "1"},
    "vars": {"first": True},
}
DECIDES = """function main(data) {
  if (data.first) { SPOIL }
  return data;
}"""
DRIVES = """async function main(data, ctx) {
  if (data.first) { SPOIL }
  ctx.set('kept', 1);
  await ctx.answer();
  ctx.waitFor('12');
  return [ctx.get('kept'), ctx.get('left'), typeof ctx.log, typeof ctx.play];
}"""
SPOILED_ROUTING = [
    "const list = [...data.egress_routing]; list.headers = [{ key: 'X-L', value: 1 }]; data.egress_routing = list;"
    " data.egress_routing = [];",
    "data.egress_routing.remove_headers = [{ key: 'X-L' }]; data.egress_routing = [data.egress_routing[0]];",
    "data.headers = [{ key: 'X-H', value: 1 }]; data.extra = 1;",
    "data.routing.cli = '7'; data.remove_headers.push({ key: 'X-H' });",
    "throw [404, 'Gone'];",
]
SPOILED_CALL = [
    "ctx.header('X-H', 'left'); ctx.set('left', 1);",
    "for (let n = 0; n < 18; n++) ctx.log(n);",
    "ctx.waitFor('1'); ctx.waitFor(/2/, '3', 0.5);",
    "for (let n = 0; n < 30; n++) ctx.ivr('x.wav', 1, 1, 1, '#', { ['wrong' + n]: 1 });",
    "ctx.play('a.wav'); ctx.tts('b');",
]
SPOILED_LANGUAGE = [
    "Array.prototype.push = Array.prototype.map = null; Object.prototype.headers = [{ key: 'X', value: 1 }];",
    "Object.prototype.cli = '9'; Object.prototype.first = false; globalThis.main = () => 1;",
    "JSON.stringify = () => 'x'; String.prototype.toLowerCase = () => 'y'; RegExp.prototype.exec = () => null;",
    "Date = null; Math.random = () => 4; Intl = 5; Number.prototype.toLocaleString = null; delete globalThis.console;",
    "Object.freeze(Object.prototype); Object.preventExtensions(globalThis);",
]


class Loaded:
    """One program in an engine."""

    def __init__(self, text: str, adapter: str, suspends: bool) -> None:
        self.context = Context(suspends)
        program = Program(key="k", name="a.js", suspends=suspends, text=text, adapter=hosts.source(adapter))
        assert isinstance(self.context.load(program), LoadedProgram)

    def run(self, given: dict[str, Any], first: bool) -> list[Any]:
        """What a run is seen to do until it waits for its call a second time or is over."""
        context = self.context
        context.limit_time(5.0)
        seen: list[Any] = []
        status = self._seen(context.start(packed({**given, "vars": {"first": first}}), "c1", 5.0, seed=3), seen)
        if status.tag is Tag.WAITING:
            asked = [call[0] for calls in seen for call in (calls or ()) if call[2][:1] == ["answer"]]
            if asked:
                self._seen(context.settle(asked[0], True, packed(None), 6.0), seen)
        return seen

    def _seen(self, status: Status, seen: list[Any]) -> Status:
        context = self.context
        while status.tag is Tag.WAITING and context.run_jobs(64):
            status = context.poll(context.idle)
        if status.tag is Tag.WAITING:
            status = context.poll(True)
        seen.append(unpacked(context.take_outbox()) if status.calls else None)
        if status.tag is not Tag.WAITING:
            seen.append([[status.tag.value, status.payload, None]])
        return status


@pytest.mark.parametrize(
    ("text", "adapter", "suspends", "given", "spoil"),
    [
        *((DECIDES, "routing", waits, ROUTING, spoil) for waits in (False, True) for spoil in SPOILED_ROUTING),
        *((DRIVES, "call", True, CALL, spoil) for spoil in SPOILED_CALL),
        *((DECIDES, "routing", False, ROUTING, spoil) for spoil in SPOILED_LANGUAGE),
        *((DRIVES, "call", True, CALL, f"ctx.log = 1; {spoil}") for spoil in SPOILED_LANGUAGE),
        (DRIVES, "call", True, CALL, "const own = Object.getPrototypeOf(ctx); own.play = own.log = own.get = null;"),
    ],
)
def test_a_run_after_one_that_spoiled_what_it_could_is_as_one_that_is_alone(
    text: str, adapter: str, suspends: bool, given: dict[str, Any], spoil: str
) -> None:
    text = text.replace("SPOIL", spoil)
    alone = Loaded(text, adapter, suspends).run(given, first=False)
    after = Loaded(text, adapter, suspends)
    after.run(given, first=True)
    assert after.run(given, first=False) == alone
