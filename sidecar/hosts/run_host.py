"""The host of one run: the questions that it has asked its modules and that wait for an answer."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from sandbox import values
from sandbox.host import HostCall
from sidecar.hosts.errors import HostError, HostFull, HostSlow, HostUnavailable
from sidecar.hosts.module import Asker, HostModule

logger = logging.getLogger(__name__)

ASKED_AT_ONCE: Final = 100
"""Questions of one run that wait at the same time. Each is a task of the daemon's, some 5 kB."""
ASKED: Final = 10_000
"""Questions of one run in all: a loop that awaits each costs its script little and the daemon 20 us a round."""

ANSWER_BYTES: Final = 1_000_000
"""Of one answer as MessagePack: as much as a script may ask at once. Its worker, which serves others as well, would
have no memory for some hundred times that."""


class RunHost:
    """A `sandbox.host.Host` over the modules that a run was granted."""

    __slots__ = ("_asked", "_asker", "_granted", "_tasks", "_used", "had_outage")

    def __init__(self, granted: Mapping[str, HostModule], asker: Asker) -> None:
        self._granted = granted
        self._asker = asker
        self._used = asker.services.usage.of(asker.script)
        self._asked = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.had_outage = False
        """Whether something that a module works with did not answer, which the script may have been told."""

    def asked(self, call: HostCall) -> None:
        """Have the module that a question is for answer it, beside what else goes on."""
        name, _, method = call.name.partition(".")
        module = self._granted.get(name)
        if module is None:
            call.reject(f"there is no host call {call.name}")
            return
        self._asked += 1
        if self._asked > ASKED:
            call.reject(f"{name}: more than {ASKED} questions of one run", name="RangeError")
            return
        if len(self._tasks) >= ASKED_AT_ONCE:
            call.reject(f"{name}: more than {ASKED_AT_ONCE} questions at once (await them)", name="RangeError")
            return
        over = self._used.allowance.question()
        if over is not None:
            call.reject(f"{name}: {over.why}; ask again in {over.seconds:.3g} s", name="RangeError")
            return
        task = asyncio.get_running_loop().create_task(self._answer(module, method, call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def renew(self) -> None:
        """The run is at something new: from now on it may ask as much as at first."""
        self._asked = 0

    def ended(self) -> None:
        """The run is over: nobody waits for an answer any more."""
        for task in list(self._tasks):
            task.cancel()
        self._asker.handles.close_all()

    async def _answer(self, module: HostModule, method: str, call: HostCall) -> None:
        try:
            answer = values.encode(await module.answer(self._asker, method, call.arguments))
            self._used.host_call(len(answer))
            if len(answer) <= ANSWER_BYTES:
                call.answer(True, answer)
            else:
                call.reject(f"{module.name}: the answer has more than {ANSWER_BYTES} bytes", name="RangeError")
        except HostError as error:
            # What is too slow or has no room is so by what it is asked.
            self.had_outage |= isinstance(error, HostUnavailable) and not isinstance(error, HostSlow | HostFull)
            call.reject(str(error), error.name)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Not by the end of its run, but by what the module waited for.
            _failed(module, method, call)
        except (Exception, SystemExit):  # noqa: BLE001 - logged
            # A mistake of ours, or an answer that JSON cannot say. No library's exit is the daemon's.
            _failed(module, method, call)


def _failed(module: HostModule, method: str, call: HostCall) -> None:
    """Log the exception that is being handled; the script is told no more than that there was one."""
    logger.exception("host_module_failed", extra={"host_module": module.name, "method": method})
    call.reject(f"{module.name}: the host failed")
