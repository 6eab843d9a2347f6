"""Answers to an INVITE that has one: the same repeated, and those of other parties (RFC 3261 clause 13.2.2.4)."""

from collections.abc import Callable
from typing import Final

from sipio.errors import MalformedMessage
from sipio.sip.address import Address
from sipio.sip.dialog import Dialog
from sipio.sip.dialog_requests import DialogRequests
from sipio.sip.digest_client import DigestClient
from sipio.sip.forks import FORKS
from sipio.sip.message import Response
from sipio.sip.tag import tag_of
from sipio.sip.user_agent_core import UserAgentCore


class FurtherAnswers:
    """Sends the ACK again where a 2xx is repeated, and hangs up on each second party that answers."""

    __slots__ = ("_acks", "_core", "_digest", "_refused")

    def __init__(self, core: UserAgentCore, digest: DigestClient) -> None:
        self._core: Final = core
        self._digest: Final = digest
        self._acks: dict[str, tuple[bytes, Address]] = {}
        """What each 2xx was acknowledged with, by its tag."""
        self._refused = 0

    def acknowledged(self, tag: str, ack: tuple[bytes, Address]) -> None:
        """The call is with this party, whose 2xx was acknowledged."""
        self._acks[tag] = ack

    def receive(self, response: Response, dialog_of: Callable[[Response], Dialog]) -> None:
        """Take a 2xx that the call is not to be made of; ``dialog_of`` gives the dialog that it would be, or raises
        MalformedMessage."""
        tag = tag_of(response.get("to") or "")
        ack = self._acks.get(tag)
        if ack is None:
            self._refuse(response, tag, dialog_of)
        elif ack[0]:
            self._core.send(ack[1], ack[0])

    def _refuse(self, response: Response, tag: str, dialog_of: Callable[[Response], Dialog]) -> None:
        """A second party answered: ACK and BYE."""
        if self._refused >= FORKS:
            return
        try:
            dialog = dialog_of(response)
        except MalformedMessage:
            self._core.counters.unreadable += 1
            return
        self._refused += 1
        requests = DialogRequests(self._core, self._digest, dialog)
        self._acks[tag] = requests.acknowledge(response.sequence()[0])
        requests.send("BYE", [])
