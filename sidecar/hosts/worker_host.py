"""The host of a Worker: its mailbox, beside its modules."""

from collections.abc import Callable
from typing import Final

from sandbox.host import HostCall
from sidecar.hosts.run_host import RunHost

NEXT: Final = "mailbox.next"


class WorkerHost:
    """A `sandbox.host.Host`."""

    def __init__(self, rest: RunHost, asks: Callable[[HostCall, str | None], None]) -> None:
        """``asks`` is told that the Worker asks for a message, and which one it is done with."""
        self._rest = rest
        self._asks = asks

    def asked(self, call: HostCall) -> None:
        """Answer for the mailbox, or have the other host do it."""
        if call.name != NEXT:
            self._rest.asked(call)
            return
        # A worker may be a script's after a breakout.
        done = call.arguments[0] if len(call.arguments) == 1 else None
        self._rest.renew()
        self._asks(call, done if isinstance(done, str) else None)

    def ended(self) -> None:
        """The run is over."""
        self._rest.ended()
