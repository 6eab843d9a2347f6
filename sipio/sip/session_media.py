"""The audio of one session: what we are, what is under negotiation, and what was agreed (RFC 3264)."""

from collections.abc import Callable

from sipio.errors import LocalError
from sipio.sip.media_description import LocalMedia, NegotiatedMedia
from sipio.sip.offer_answer import MediaNegotiation


class SessionMedia:
    """Offers and answers of one session meet here, whoever made them."""

    __slots__ = ("_changed", "agreed", "local", "negotiation")

    def __init__(self, negotiation: MediaNegotiation, changed: Callable[[NegotiatedMedia], None]) -> None:
        """``changed`` is told of what is agreed, where it is not what was agreed before."""
        self._changed = changed
        self.negotiation = negotiation
        """The negotiation of the dialog that counts: before the answer each fork has its own."""
        self.local: LocalMedia | None = None
        """Our side, once it is known."""
        self.agreed: NegotiatedMedia | None = None
        """What was agreed on last, as `MediaChanged` told it; None before the first time."""

    def required_local(self) -> LocalMedia:
        """Our side.

        Raises:
            LocalError: it is not known yet.
        """
        if self.local is None:
            raise LocalError("no media yet")
        return self.local

    def agree(self, media: NegotiatedMedia) -> None:
        """An offer and its answer have met."""
        if media != self.agreed:
            self.agreed = media
            self._changed(media)

    def stop(self) -> None:
        """The session is over: nobody is told any more."""
        self._changed = _ignore


def _ignore(media: NegotiatedMedia) -> None:
    """What is agreed once the session is over concerns nobody."""
