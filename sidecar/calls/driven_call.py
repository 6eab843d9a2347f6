"""A call that a script drives, as other scripts of its tenant may control it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sidecar.hosts.errors import HostError
from sipio.call_control import Hangup, HangupBy

if TYPE_CHECKING:
    from sidecar.calls.one_call import OneCall


class DrivenCall:
    """A `sidecar.hosts.placed.call.UpCall`."""

    def __init__(self, call: "OneCall") -> None:
        self._call = call

    @property
    def id(self) -> str:
        """The call's, as ``process.env.CORRELATION_ID`` of its script."""
        return self._call.offer.id

    def described(self) -> dict[str, Any]:
        """What a script is told of it."""
        offer = self._call.offer
        answered, seconds = self._call.lasted()
        return {
            "id": offer.id,
            "destination": offer.to_user,
            "cli": offer.from_user,
            "state": "answered" if answered else "ringing",
            "seconds": seconds,
            "script": self._call.script.name,
            "placed": False,
        }

    def hang_up(self, hangup: Hangup) -> None:
        """End it, whatever its script is about."""
        self._call.end(hangup, HangupBy.SCRIPT)

    def transfer(self, destination: Callable[[str], str]) -> None:  # noqa: ARG002 - the protocol's
        """Refuse: its script says where it goes."""
        raise HostError("the call is driven by a script of its own, and only that transfers it: ctx.bridge")
