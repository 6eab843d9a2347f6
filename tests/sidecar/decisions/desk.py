"""Decisions over a runner in memory, what they answered and what they told of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from sandbox.host import Host
from sandbox.outcome import Cancelled, Completion, LogLine, Outcome, Returned
from sandbox.program import Invocation
from sidecar.catalog.compile import make_script
from sidecar.catalog.model import Assignment, Script, Snapshot
from sidecar.configuration.tree import Configuration
from sidecar.decisions.deciding import Decided
from sidecar.decisions.decisions import Decisions
from sidecar.kind import Kind
from sidecar.sip_answer import SipAnswer
from sipio.routing import Decision, RoutingRequest, pack_routing

ROUTING = {
    "cli": "442070000001",
    "dest_number": "15551234",
    "egress_routing": [{"gw": {"a": {"cli": "442070000001"}}}, {"gw": {"b": {"cli": "442070000001"}}}],
}


SCRIPT_TIMEOUT = SipAnswer(503, "Script Timeout")


def returned(result: dict[str, Any]) -> Returned:
    return Returned(msgspec.msgpack.encode(result))


class MemoryRun:
    def __init__(self, runner: "MemoryRunner", invocation: Invocation, done: Callable[[Completion], None]) -> None:
        self.runner = runner
        self.invocation = invocation
        self.done = done
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True
        self.done(Completion(Cancelled()))

    cancel_between_turns = cancel

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = msgspec.msgpack.decode(self.invocation.input)
        return data

    def end(self, outcome: Outcome, *log: LogLine) -> None:
        self.done(Completion(outcome, log, 7))

    def returns(self, **changes: Any) -> None:
        data = self.data
        result = {"routing": data["routing"], "headers": [data["headers"]], "remove_headers": [data["remove_headers"]]}
        self.end(returned(result | changes))


class MemoryRunner:
    def __init__(self) -> None:
        self.runs: list[MemoryRun] = []
        self.immediately: Outcome | None = None
        """What becomes of the next run before ``submit`` returns."""

    def submit(
        self, invocation: Invocation, done: Callable[[Completion], None], _host: Host | None = None
    ) -> MemoryRun:
        run = MemoryRun(self, invocation, done)
        self.runs.append(run)
        immediately, self.immediately = self.immediately, None
        if immediately is not None:
            done(Completion(immediately))
        return run


def script(name: str) -> Script:
    return replace(make_script(id=name, name=f"{name}.js", kind=Kind.SCRIPT, text=""), version="1")


def assignment(
    name: str,
    *,
    timeout_ms: int = 500,
    timeout_action: SipAnswer | None = SCRIPT_TIMEOUT,
    error_action: SipAnswer | None = None,
    variables: Mapping[str, Any] | None = None,
) -> Assignment:
    return Assignment(
        script_id=name,
        timeout_ms=timeout_ms,
        timeout_action=timeout_action,
        error_action=error_action,
        variables=variables or {},
    )


class Desk:
    """Decisions, what they answered and what they told of it."""

    def __init__(self, configuration: Configuration | None = None, **catalog: Any) -> None:
        self.runner = MemoryRunner()
        self.answers: list[Decision] = []
        self.told: list[Decided] = []
        given = catalog.pop("scripts", {})
        scripts = {one.script_id: script(one.script_id) for one in self._assignments(**catalog)} | given
        catalog = {"scripts": scripts, "routes": {}, "dids": {}} | catalog
        self.decisions = Decisions(self.runner, configuration or Configuration(), Snapshot(**catalog), self.told.append)

    @staticmethod
    def _assignments(
        *,
        routes: Mapping[tuple[str, str], Assignment] | None = None,
        dids: Mapping[str, Assignment] | None = None,
        first: Sequence[Assignment] = (),
        last: Sequence[Assignment] = (),
    ) -> list[Assignment]:
        return [*(routes or {}).values(), *(dids or {}).values(), *first, *last]

    def ask(self, **fields: Any) -> Any:
        fields = {"call_id": "c1", "customer": "acme", "route": "uk", "routing": ROUTING} | fields
        if isinstance(fields["routing"], dict):
            fields["routing"] = pack_routing(fields["routing"])
        self.request = RoutingRequest(**fields)
        request = self.request
        return self.decisions.route(request, self.answers.append)

    @property
    def answer(self) -> Decision:
        (answer,) = self.answers
        return answer


def assigned(**options: Any) -> Desk:
    return Desk(routes={("acme", "uk"): assignment("own", **options)})
