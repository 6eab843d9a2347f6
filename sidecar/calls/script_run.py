"""The script of one call: its run in the sandbox, and the answers to what it asks."""

from collections.abc import Callable
from typing import Final

from sandbox import values
from sandbox.host import Host, HostCall
from sandbox.outcome import Completion
from sandbox.program import Invocation, Program
from sidecar.catalog.model import VoiceAssignment
from sidecar.configuration.tree import Configuration
from sidecar.header_rules import without_passwords
from sidecar.runs.kept_runs import KeptRun
from sidecar.runs.limits import call_limits
from sidecar.runs.runner import Running, ScriptRunner
from sipio.call_control import CallOffer


class ScriptRun:
    """A script's run and its end."""

    __slots__ = ("_cancelled", "_run", "completion", "kept_run", "program")

    def __init__(self, program: Program) -> None:
        self.program: Final = program
        self.completion: Completion | None = None
        """Once it is over."""
        self.kept_run: KeptRun | None = None
        """The same with what was run, where it was recorded."""
        self._run: Running | None = None
        self._cancelled = False

    def begin(
        self, runner: ScriptRunner, invocation: Invocation, done: Callable[[Completion], None], host: Host
    ) -> None:
        """Start it; ``host`` answers what it asks."""

        def ended(completion: Completion) -> None:
            self.completion = completion
            if completion.recording is not None:
                self.kept_run = KeptRun(invocation, completion)
            self._run = None
            done(completion)

        run = runner.submit(invocation, ended, host)
        if self.completion is None:
            self._run = run
            if self._cancelled:
                # By its host, which a runner may ask before `submit` returns.
                run.cancel()

    def cancel(self) -> None:
        """Give it up, if it is not over."""
        self._cancelled = True
        if self._run is not None:
            self._run.cancel()

    def cancel_between_turns(self) -> None:
        """Give it up as soon as it waits. One that does not come to that ends by its limits, and is told so."""
        if self._run is not None:
            self._run.cancel_between_turns()


def reject_ended(call: HostCall | None) -> None:
    """Reject what a script asked, if it did, since its call has ended."""
    if call is not None:
        call.reject("the call has ended", name="HangupError")


def invocation(
    program: Program, entry: str, offer: CallOffer, assignment: VoiceAssignment, configuration: Configuration
) -> Invocation:
    """The run of a call's script: what it is given, and its limits."""
    host = offer.from_host
    headers = without_passwords(offer.headers)
    given = {
        "call": {
            "id": offer.id,
            "actions": configuration.voice.call_actions,
            "headers": headers,
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
            "cli_parameters": offer.from_parameters,
            "dest_number_parameters": offer.to_parameters,
            "source": offer.source,
            "customer": assignment.customer or offer.customer,
            "headers": [{"key": name, "value": value} for name, value in headers],
        },
        "vars": dict(assignment.variables),
    }
    return Invocation(
        program=program,
        entry=entry,
        input=values.encode(given),
        limits=call_limits(configuration),
        # Scripts of destinations that name no customer are nobody's but their own.
        customer=assignment.customer or offer.customer or f"script {assignment.script_id}",
        correlation_id=offer.id,
        recorded=configuration.kept.directory is not None,
    )
