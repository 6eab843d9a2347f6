"""What a decision leaves behind once it is answered: nothing, without the help of the garbage collector."""

import gc
from collections.abc import Callable, Iterator

import msgspec
import pytest

from sandbox.host import Host
from sandbox.outcome import Completion, Outcome, Returned, TimedOut, TimeLimit
from sandbox.program import Invocation
from sidecar.catalog.compile import make_script
from sidecar.catalog.model import Assignment, Snapshot
from sidecar.configuration.tree import Configuration
from sidecar.decisions.decisions import Decisions
from sidecar.kind import Kind
from sidecar.sip_answer import SipAnswer
from sipio.routing import Decision, Pending, RoutingRequest, pack_routing

ROUTING = {"cli": "442070000001", "egress_routing": [{"gw": {"a": {"cli": "442070000001"}}}]}
RESULT = msgspec.json.encode({"routing": ROUTING, "headers": [], "remove_headers": []})


class LaterRun:
    def __init__(self, done: Callable[[Completion], None]) -> None:
        self.done = done

    def cancel(self) -> None:
        """Nothing runs."""

    cancel_between_turns = cancel


class LaterRunner:
    def __init__(self) -> None:
        self.runs: list[LaterRun] = []

    def submit(
        self, _invocation: Invocation, done: Callable[[Completion], None], _host: Host | None = None
    ) -> LaterRun:
        self.runs.append(LaterRun(done))
        return self.runs[-1]


class Asker:
    """As a connection does, it holds on to what it may cancel."""

    def __init__(self) -> None:
        self.pending: Pending | None = None
        self.decision: Decision | None = None

    def answer(self, decision: Decision) -> None:
        self.decision = decision


@pytest.fixture(autouse=True)
def _no_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("outcome", [Returned(RESULT), TimedOut(TimeLimit.WALL)], ids=["returned", "timed_out"])
def test_an_answered_decision_is_no_garbage(outcome: Outcome) -> None:
    script = make_script(id="s", name="s.js", kind=Kind.SCRIPT, text="")
    assignment = Assignment(script_id="s", timeout_ms=100, timeout_action=SipAnswer(503, "Late"), error_action=None)
    snapshot = Snapshot(scripts={"s": script}, routes={("c", ""): assignment}, dids={})
    runner = LaterRunner()
    decisions = Decisions(runner, Configuration(), snapshot, lambda _: None)
    gc.collect()
    for _ in range(3):
        asker = Asker()
        asker.pending = decisions.route(
            RoutingRequest(call_id="1", customer="c", routing=pack_routing(dict(ROUTING))), asker.answer
        )
        run = runner.runs.pop()
        run.done(Completion(outcome))
        assert asker.decision is not None
        del asker, run
    assert gc.collect() == 0
