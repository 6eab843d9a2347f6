"""What is asked through a switch, and what a switch asks for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sidecar.configuration.tree import Configuration, VoiceSection
from sipio.call_control import CallControl, Hangup
from sipio.routing import Action, Decision, RoutingRequest


class Nothing:
    def cancel(self) -> None: ...


class Passing:
    """A router that passes every call on as it is."""

    def route(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> Nothing:
        answer(Decision(action=Action.ROUTE, routing=request.routing, outcome="unassigned"))
        return Nothing()


class Refusing:
    """A handler that takes no call."""

    def offered(self, _call: CallControl) -> Hangup:
        return Hangup(code=404, reason="Not Found", cause=1)


class Workers:
    """Notes that workers for calls were asked for."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self) -> None:
        self.asked += 1


def always() -> bool:
    """Calls are taken."""
    return True


def configuration(tmp_path: Path, **sections: Any) -> Configuration:
    return Configuration(**({"voice": VoiceSection(cache=tmp_path)} | sections))
