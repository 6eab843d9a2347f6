"""The early dialogs of one INVITE (RFC 3261 clause 13.2.2.4): each party that it reached has one of its own."""

from collections.abc import Callable
from typing import Final

from sipio.errors import MalformedMessage
from sipio.sip.dialog import Dialog
from sipio.sip.dialog_user import DialogUser
from sipio.sip.message import Response
from sipio.sip.offer_answer import MediaNegotiation
from sipio.sip.tag import tag_of
from sipio.sip.user_agent_core import UserAgentCore

FORKS: Final = 16
"""Early dialogs of one INVITE; of a further one only the 2xx counts."""


class Fork:
    """One early dialog and the negotiation of its media."""

    __slots__ = ("answered_reliably", "dialog", "negotiation", "rseq")

    def __init__(self, dialog: Dialog, negotiation: MediaNegotiation) -> None:
        self.dialog: Final = dialog
        self.negotiation: Final = negotiation
        self.answered_reliably = False
        self.rseq = 0


class Forks:
    """The early dialogs of one session, by the remote tag."""

    __slots__ = ("_core", "_dialog_of", "_forks", "_invitation", "_user")

    def __init__(
        self,
        user: DialogUser,
        core: UserAgentCore,
        invitation: MediaNegotiation,
        dialog_of: Callable[[Response], Dialog],
    ) -> None:
        """``invitation`` is the negotiation as it stood with the INVITE's offer out and nothing answered."""
        self._user: Final = user
        self._core: Final = core
        self._invitation: Final = invitation
        self._dialog_of: Final = dialog_of
        self._forks: dict[str, Fork] = {}

    def __len__(self) -> int:
        return len(self._forks)

    def by_tag(self, tag: str) -> Fork | None:
        """The early dialog with this remote tag; None for none."""
        return self._forks.get(tag)

    def of(self, response: Response) -> Fork | None:
        """The early dialog that a response belongs to, made on its first; None where it makes none."""
        tag = tag_of(response.get("to") or "")
        fork = self._forks.get(tag)
        if fork is not None or not tag or (len(self._forks) >= FORKS and response.status < 200):
            return fork
        try:
            dialog = self._dialog_of(response)
        except MalformedMessage:
            # Who cannot be told from others, or reached, has no dialog.
            return None
        fork = Fork(dialog, self.first_offer())
        self._forks[tag] = fork
        self._core.dialogs[dialog.key] = self._user
        return fork

    def first_offer(self) -> MediaNegotiation:
        """Each party that answers, answers the INVITE's offer for itself."""
        return self._invitation.fork()

    def drop(self, but: Fork | None = None) -> None:
        """Forget them; the dialog of ``but`` goes on."""
        for fork in self._forks.values():
            if fork is not but:
                self._core.dialogs.pop(fork.dialog.key, None)
        self._forks.clear()
