"""Keeping a session alive (RFC 4028 clauses 7 to 10): by UPDATE, or by re-INVITE where the peer does not take it."""

from typing import Final, Protocol

from sipio.errors import MalformedMessage
from sipio.sip.dialog_requests import DialogRequests
from sipio.sip.events import EndedBy
from sipio.sip.message import Response, SipMessage
from sipio.sip.serialize import Headers
from sipio.sip.session_table import ENDED, SessionState
from sipio.sip.session_timer import SessionTimer, minimum_session_expires
from sipio.sip.user_agent_core import SUPPORTED, UserAgentCore


class RefreshOwner(Protocol):
    """What keeping a session alive needs of it."""

    @property
    def state(self) -> SessionState: ...

    def refresh_by_offer(self) -> None:
        """Send our last description once more in a re-INVITE."""

    def hang_up(self, headers: Headers, by: EndedBy, reason: str) -> None:
        """The session cannot go on."""


class SessionRefresh:
    """The session timer of one session, and what its peer takes."""

    __slots__ = ("_core", "_owner", "_peer_allows", "_requests", "_timer")

    def __init__(self, core: UserAgentCore, requests: DialogRequests, owner: RefreshOwner) -> None:
        self._core: Final = core
        self._requests: Final = requests
        self._owner: Final = owner
        self._peer_allows: frozenset[str] = frozenset()
        self._timer: Final = SessionTimer(core.timers, self._refresh, self._expire)

    def headers(self) -> Headers:
        """What an INVITE or UPDATE of ours says."""
        interval = self._timer.interval or self._core.settings.session_expires_seconds
        if not interval:
            return []
        refresher = ""
        if self._timer.interval:
            # The roles are those of this request: whoever refreshes now goes on to.
            refresher = ";refresher=uac" if self._timer.refresher else ";refresher=uas"
        return [
            ("Session-Expires", f"{interval}{refresher}"),
            ("Min-SE", str(self._core.settings.minimum_session_expires_seconds)),
        ]

    def note_peer(self, message: SipMessage) -> None:
        """Whatever the peer sent: its Allow counts."""
        allowed = message.get_all("allow")
        if allowed:
            self._peer_allows = frozenset(method.strip() for field in allowed for method in field.split(","))

    def answer(self, request: SipMessage, now: float) -> Headers:
        """We answer an INVITE or UPDATE with 2xx: begin anew, and what goes into the answer."""
        self.note_peer(request)
        return self._timer.answer(request, wanted=self._core.settings.session_expires_seconds, now=now)

    def answered(self, response: Response, now: float) -> None:
        """Our INVITE or UPDATE was answered with 2xx: its Contact, Allow and Session-Expires count."""
        self.note_peer(response)
        self._timer.answered(response, now=now)
        try:
            self._requests.required_dialog().retarget(response)
        except MalformedMessage:
            self._core.counters.unreadable += 1

    def stop(self) -> None:
        """The session is over."""
        self._timer.end()

    def _refresh(self, now: float) -> None:
        """Half of the interval is over and we are the refresher (clause 7.4)."""
        if self._owner.state in ENDED:
            return
        self._timer.refresh_again(now)
        if "UPDATE" in self._peer_allows:
            headers = [self._requests.contact(), SUPPORTED, *self.headers()]
            self._requests.send("UPDATE", headers, b"", self._update_answered)
        else:
            self._owner.refresh_by_offer()

    def _update_answered(self, response: Response, now: float) -> None:
        if 200 <= response.status < 300:
            self.answered(response, now)
        elif response.status in {408, 481}:
            self._owner.hang_up([], EndedBy.SYSTEM, "dialog unknown to the peer")
        elif response.status in {405, 501}:
            # It said otherwise in Allow: from now on by re-INVITE.
            self._peer_allows -= {"UPDATE"}
        elif response.status == 422:
            self._timer.interval = max(self._timer.interval, minimum_session_expires(response))

    def _expire(self, now: float) -> None:  # noqa: ARG002 - a timer's signature
        self._owner.hang_up([("Reason", 'SIP;cause=408;text="Session timer"')], EndedBy.SYSTEM, "session timer")
