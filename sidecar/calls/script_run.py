"""The script of one call: its run in the sandbox, and the answers to what it asks."""

from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from sandbox.outcome import Completion
from sandbox.program import Invocation, Limits, Program
from sidecar.catalog.model import VoiceAssignment
from sidecar.configuration.tree import Configuration
from sipio.call_control import CallOffer

QUEUED_ACTIONS: Final = 1_000
"""Actions of one call asked for and not begun: a script that does not await is allowed as many and no more."""
TURN_SECONDS: Final = 2.0
"""Time of one turn of a script, from one await to the next."""


class Script(Protocol):
    """A run in the sandbox: `sandbox.pool.Run` is one."""

    def cancel(self) -> None: ...

    def settle(self, call_id: int, value: bytes) -> None: ...

    def fail_call(self, call_id: int, error: bytes) -> None: ...


class ScriptRunner(Protocol):
    """The part of the sandbox that drives nothing: `sandbox.pool.Pool` is one."""

    def submit(
        self,
        invocation: Invocation,
        done: Callable[[Completion], None],
        on_call: Callable[[Any, int, str, list[Any]], None] | None = None,
    ) -> Script: ...


class CallScript:
    """A run and its end. Answers to host call 0, which is none, and to a run that is not there go nowhere."""

    __slots__ = ("_run", "completion", "program")

    def __init__(self, program: Program) -> None:
        self.program: Final = program
        self.completion: Completion | None = None
        """Once it is over."""
        self._run: Script | None = None

    def begin(
        self,
        runner: ScriptRunner,
        invocation: Invocation,
        done: Callable[[Completion], None],
        asked: Callable[[int, str, list[Any]], None],
    ) -> None:
        """Start it. ``asked`` is told each host call: its id, its name and its arguments."""

        def host_call(run: Script, call_id: int, name: str, arguments: list[Any]) -> None:
            # The first may come before `submit` returns.
            self._run = run
            asked(call_id, name, arguments)

        def ended(completion: Completion) -> None:
            self.completion = completion
            done(completion)

        run = runner.submit(invocation, ended, host_call)
        if self.completion is None:
            self._run = run

    def cancel(self) -> None:
        """Give it up, if it is not over."""
        if self.completion is None and self._run is not None:
            self._run.cancel()

    def settle(self, call_id: int, value: Any = None) -> None:
        """Resolve a host call's promise."""
        if call_id and self._run is not None:
            self._run.settle(call_id, msgspec.json.encode(value))

    def reject(self, call_id: int, message: str, name: str = "Error") -> None:
        """Reject a host call's promise."""
        if call_id and self._run is not None:
            self._run.fail_call(call_id, msgspec.json.encode({"message": message, "name": name}))

    def reject_ended(self, call_id: int) -> None:
        """Reject a host call's promise since the call has ended."""
        self.reject(call_id, "the call has ended", name="HangupError")


def invocation(
    program: Program, offer: CallOffer, assignment: VoiceAssignment, configuration: Configuration
) -> Invocation:
    """The run of a call's script: what it is given, and its limits."""
    host = offer.from_host
    given = {
        "call": {
            "id": offer.id,
            "actions": configuration.voice.call_actions,
            "headers": offer.headers,
            "variables": offer.variables,
            "known": {
                "sip_from_user": offer.from_user,
                "sip_from_display": offer.from_name,
                "sip_from_host": host,
                "sip_from_uri": f"{offer.from_user}@{host}" if host else offer.from_user,
                "sip_to_user": offer.to_user,
                "sip_to_host": offer.to_host,
                "sip_call_id": offer.id,
                "caller_id_number": offer.from_user,
                "caller_id_name": offer.from_name,
                "destination_number": offer.to_user,
                "uuid": offer.id,
            },
        },
        "data": {
            "call_id": offer.id,
            "cli": offer.from_user,
            "cli_name": offer.from_name,
            "dest_number": offer.to_user,
            "source": offer.source,
            "customer": assignment.customer or offer.customer,
            "headers": [{"key": name, "value": value} for name, value in offer.headers],
        },
        "vars": dict(assignment.variables),
    }
    sandbox = configuration.sandbox
    limits = Limits(
        wall_seconds=configuration.voice.longest_call_seconds,
        turn_seconds=TURN_SECONDS,
        cpu_seconds=sandbox.cpu_ms / 1000,
        result_bytes=sandbox.result_bytes,
        log_bytes=sandbox.log_bytes,
        outbox_calls=2 * QUEUED_ACTIONS,
    )
    return Invocation(program=program, input=msgspec.json.encode(given), limits=limits, correlation_id=offer.id)
