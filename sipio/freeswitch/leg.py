"""The caller's leg, as actions see it, and what every action has in common."""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec

from sipio.call_control import (
    ActionResult,
    CallEvent,
    HungUpDuring,
    Stopped,
)
from sipio.freeswitch.channel import Channel, Foreground
from sipio.freeswitch.event_socket import ApiResponse, CommandReply
from sipio.freeswitch.settings import FreeswitchSettings, MediaSource
from sipio.freeswitch.timers import CallTimers

KILL_SECONDS: Final = 0.2
"""The wait between two attempts to end a leg that does not exist yet."""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """What every call of one listener is given."""

    settings: FreeswitchSettings
    clock: Callable[[], float]
    new_uuid: Callable[[], str]
    """Makes the UUIDs of B legs, by which their events are followed: unique in FreeSWITCH."""
    problem: Callable[[str, str], None]
    """Is told what went wrong and concerns no action: the channel's UUID, and what."""
    media: MediaSource | None
    """None: texts are spoken and URLs fetched by FreeSWITCH, or not at all."""


class Leg(Protocol):
    """What an action needs of its call."""

    environment: Environment
    channel: Channel
    foreground: Foreground
    timers: CallTimers
    variables: Mapping[str, str]
    """The channel's variables as the call came in."""
    gone: bool
    """Whether the caller's leg has hung up, though its last event may not be in."""

    def tell(self, event: CallEvent) -> None: ...


class LegAction:
    """An action under way. A `PendingAction`."""

    def __init__(self, leg: Leg, done: Callable[[ActionResult], None]) -> None:
        self.leg = leg
        self._done = done
        self.over = False

    def start(self) -> None:
        """Begin. Raises LocalError for what cannot be begun."""

    def stop(self) -> None:
        """End it before it is through; its result is `Stopped`."""
        if not self.over:
            self.release()
            self.finish(Stopped())

    def hung_up(self) -> None:
        """End it because the call has ended."""
        if not self.over:
            self.release()
            self.finish(HungUpDuring())

    def finish(self, result: ActionResult) -> None:
        """Give the result; once it was given, nothing happens."""
        if not self.over:
            self.over = True
            self._done(result)

    def release(self) -> None:
        """Give up what it holds: what plays, timers."""


class KillLeg:
    """Ends another leg, which may not exist yet: what was sent to make it is on its way through FreeSWITCH."""

    __slots__ = ("_leg", "_uuid", "gone")

    def __init__(self, leg: Leg, uuid: str) -> None:
        self._leg = leg
        self._uuid = uuid
        self.gone = False
        """Whether it has ended: it is not looked for any more."""

    def start(self) -> None:
        """End it, now or when it exists."""
        if not self.gone:
            self._leg.channel.api(f"uuid_kill {self._uuid} NORMAL_CLEARING", self._replied)

    def _replied(self, reply: CommandReply | ApiResponse) -> None:
        if not reply.accepted:
            self._leg.timers.after(KILL_SECONDS, self.start)
