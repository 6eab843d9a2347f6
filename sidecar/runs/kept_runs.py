"""Runs kept whole, so that they can be repeated: what was run, and what came of it."""

import platform
from collections.abc import Callable, Sequence

import msgspec
from msgspec import structs

from sandbox.host import Host
from sandbox.intl.known import local_zone_name
from sandbox.outcome import Cancelled, Completion
from sandbox.program import Invocation
from sandbox.recording import Recording
from sandbox.repetition import Divergence, divergence, repeating
from sidecar import __version__
from sidecar.runs.runner import Running, ScriptRunner


class KeptRun(msgspec.Struct, frozen=True):
    """A run that is over, and was recorded."""

    invocation: Invocation
    completion: Completion

    @property
    def recording(self) -> Recording | None:
        """What it is repeated by; None where it was longer than a recording may be."""
        recording = self.completion.recording
        return recording if isinstance(recording, Recording) else None


class Origin(msgspec.Struct, frozen=True):
    """Where runs were kept."""

    made_by: str = f"scriptforge {__version__} on {platform.machine()}"
    zone: str = msgspec.field(default_factory=local_zone_name)
    """The time zone of the machine, by which `Date` goes where a script names none."""


def began(runs: Sequence[KeptRun]) -> float:
    """When the first of them began, Unix time; 0 where none was recorded."""
    recordings = [run.recording for run in runs if run.recording is not None]
    return recordings[0].turns[0].clock / 1000 if recordings else 0.0


class RunnerAt:
    """A `sidecar.runs.runner.ScriptRunner` around another whose runs begin at a given time."""

    def __init__(self, runner: ScriptRunner, clock: float) -> None:
        """``clock`` is in milliseconds since 1970."""
        self._runner = runner
        self._clock = clock

    def submit(self, invocation: Invocation, done: Callable[[Completion], None], host: Host | None = None) -> Running:
        """Run a script."""
        return self._runner.submit(structs.replace(invocation, clock=self._clock), done, host)


class RepeatingRunner:
    """A `sidecar.runs.runner.ScriptRunner` around another that repeats kept runs, one for each run that it is asked
    for, in their order. What is past them it runs as it is."""

    def __init__(self, runner: ScriptRunner, runs: Sequence[KeptRun], *, anew: bool) -> None:
        """What was run then is run again, whatever is asked for; ``anew``, what is asked for is, with the time, the
        random numbers and the answers of what was."""
        self._runner = runner
        self._runs = iter(runs)
        self._anew = anew
        self.divergences: list[Divergence | None] = []
        """Of each that was repeated and is over, in their order."""

    def submit(self, invocation: Invocation, done: Callable[[Completion], None], host: Host | None = None) -> Running:
        """Run a script."""
        before = next(self._runs, None)
        if before is None or before.recording is None:
            return self._runner.submit(invocation, done, host)
        asked = before.invocation
        if self._anew:
            # The machine's name and the modules are those of where it ran: their answers are.
            then = asked.program
            environment = {**invocation.program.environment, **then.environment}
            program = structs.replace(invocation.program, environment=environment, modules=then.modules)
            asked = structs.replace(invocation, program=program)
        completion_before = before.completion

        def over(completion: Completion) -> None:
            found = divergence(completion_before, completion)
            self.divergences.append(found)
            if found is None and isinstance(completion.outcome, Cancelled):
                # It has come to where the other waited when it was cut off.
                outcome, interruption = completion_before.outcome, completion_before.interruption
                completion = structs.replace(completion, outcome=outcome, interruption=interruption)
            done(completion)

        return self._runner.submit(repeating(asked, before.recording), over)
