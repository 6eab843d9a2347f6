"""The caller's leg, as actions see it, and what every action has in common."""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from sipio.call_control import (
    ActionResult,
    CallEvent,
    HungUpDuring,
    Stopped,
)
from sipio.freeswitch.channel import Channel, Foreground
from sipio.freeswitch.settings import FreeswitchSettings, MediaSource
from sipio.freeswitch.timers import Timers


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """What every call of one listener is given."""

    settings: FreeswitchSettings
    clock: Callable[[], float]
    new_uuid: Callable[[], str]
    """For B legs, whose events are followed by it: unique in FreeSWITCH."""
    problem: Callable[[str, str], None]
    """Told of what went wrong and has nobody to be told to: the channel's UUID, and what."""
    media: MediaSource | None
    """None: texts are spoken and URLs fetched by FreeSWITCH, or not at all."""


class Leg(Protocol):
    """What an action needs of its call."""

    environment: Environment
    channel: Channel
    foreground: Foreground
    timers: Timers
    variables: Mapping[str, str]
    """Of the channel as the call came in."""
    gone: bool
    """Whether the caller's leg has hung up, though its last event may not be in."""

    def tell(self, event: CallEvent) -> None: ...


class Action:
    """An action under way. A `PendingAction`."""

    def __init__(self, leg: Leg, done: Callable[[ActionResult], None]) -> None:
        self.leg = leg
        self._done = done
        self.over = False

    def start(self) -> None:
        """Begin. Raises LocalError for what cannot be begun."""

    def stop(self) -> None:
        """End it early."""
        if not self.over:
            self.release()
            self.finish(Stopped())

    def hung_up(self) -> None:
        """The call has ended."""
        if not self.over:
            self.release()
            self.finish(HungUpDuring())

    def finish(self, result: ActionResult) -> None:
        """Give the result, once."""
        if not self.over:
            self.over = True
            self._done(result)

    def release(self) -> None:
        """Give up what it holds: what plays, timers."""
