"""The caller's leg, as a bridge sees it."""

from collections.abc import Callable
from typing import Protocol

from sipio.call_control import ActionResult, CallEvent, CallOffer, PendingAction
from sipio.media.engine import MediaEngine
from sipio.media.session import MediaSession
from sipio.sip.endpoint import SipEndpoint
from sipio.sip.incoming import IncomingSession
from sipio.sip.outgoing import OutgoingSession
from sipio.sip.serialize import Headers
from sipio.sip_driver.settings import SipDriverSettings

Completed = Callable[[ActionResult], None]
"""Told the result of an action, once."""


class CallerLeg(Protocol):
    """What a bridge needs of the call that it joins another leg to."""

    session: IncomingSession | OutgoingSession
    media: MediaSession
    engine: MediaEngine
    endpoint: SipEndpoint
    settings: SipDriverSettings

    @property
    def offer(self) -> CallOffer: ...

    @property
    def max_forwards(self) -> str | None: ...

    def ring(self) -> None:
        """Let the caller know that it rings, before the answer."""

    def open_media(self) -> None:
        """Let the caller hear us before the answer."""

    def accept(self, headers: Headers | None = None) -> None:
        """Answer, unless that was done."""

    def tell(self, event: CallEvent) -> None:
        """Tell whoever drives the call what happened on the other leg."""

    def bridge_over(self, bridge: PendingAction) -> None:
        """The other leg is gone."""
