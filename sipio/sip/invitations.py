"""INVITEs that are to begin a call: taken, refused, or asked for a password."""

from typing import Final

from sipio.errors import MalformedMessage
from sipio.sip.address import Address
from sipio.sip.bodies import SDP, accepts, session_description
from sipio.sip.digest_server import DigestServer, Verdict
from sipio.sip.events import CallReceived, LoginFailed
from sipio.sip.incoming import IncomingSession, merge_key
from sipio.sip.message import Request
from sipio.sip.offer_answer import audio_position
from sipio.sip.sdp import SessionDescription, parse_sdp
from sipio.sip.serialize import printable
from sipio.sip.session_timer import session_expires
from sipio.sip.transaction import ServerTransaction
from sipio.sip.user_agent_core import UserAgentCore


class Invitations:
    """Who may call, and whether there is room for it."""

    __slots__ = ("_core", "_digest", "_trusted_hosts")

    def __init__(self, core: UserAgentCore, digest: DigestServer) -> None:
        self._core: Final = core
        self._digest: Final = digest
        self._trusted_hosts = core.settings.trusted_hosts

    def trust(self, hosts: frozenset[str]) -> None:
        """Challenge no INVITE of these IP addresses from now on, and those of all others."""
        self._trusted_hosts = hosts

    def receive(self, transaction: ServerTransaction, request: Request, source: Address, now: float) -> None:
        """One INVITE without a tag in To: it becomes a `CallReceived` or is answered.

        Raises:
            MalformedMessage: it cannot be read after all, and has not been answered.
            UnsupportedBody: its body has to be understood and is not; it has not been answered.
        """
        core, settings = self._core, self._core.settings
        key = merge_key(request)
        if key in core.invites:
            # Clause 8.2.2.2: one INVITE that came by two ways.
            core.respond(transaction, 482, now=now)
            return
        if request.get("max-forwards") == "0":
            # Whoever takes the call may bridge it on: here a loop ends.
            core.respond(transaction, 483, now=now)
            return
        if not core.has_room:
            core.counters.over_limit += 1
            core.respond(transaction, 503, headers=[core.retry_after], now=now)
            return
        user = ""
        if self._digest.users and source.host not in self._trusted_hosts and self._has_to_prove_itself(request):
            user = self.authenticate(transaction, request, source, now, proxy=True)
            if not user:
                return
        interval = session_expires(request)[0]
        if interval and interval < settings.minimum_session_expires_seconds:
            minimum = str(settings.minimum_session_expires_seconds)
            core.respond(transaction, 422, headers=[("Min-SE", minimum)], now=now)
            return
        if not accepts(request, SDP):
            core.respond(transaction, 406, now=now)
            return
        described = session_description(request)
        offer = self._read_offer(transaction, described, now) if described is not None else None
        if described is not None and offer is None:
            return
        try:
            session = IncomingSession(core, transaction, request, source, merge_key=key, offer=offer, user=user)
        except MalformedMessage as error:
            core.respond(transaction, 400, printable(str(error)), now=now)
            return
        core.emit(CallReceived(session=session))

    def _has_to_prove_itself(self, request: Request) -> bool:
        """Whether an INVITE brings a password, or says that it is from a user who has one."""
        if request.get("authorization") or request.get("proxy-authorization"):
            return True
        sender = request.address("from")
        if sender is None:
            return False
        # Parameters make no other user of one, neither here nor for who is told whose call it is.
        return self._digest.knows(sender.uri.decoded_user) or self._digest.knows(sender.uri.number.text)

    def _read_offer(self, transaction: ServerTransaction, described: bytes, now: float) -> SessionDescription | None:
        """The SDP, where it is an offer that can be answered; else the INVITE has been refused."""
        try:
            offer = parse_sdp(described)
        except MalformedMessage as error:
            self._core.respond(transaction, 400, printable(str(error)), now=now)
            return None
        if audio_position(offer, self._core.settings.codecs) is None:
            self._core.respond(transaction, 488, headers=[("Warning", '305 sidecar "no common codec"')], now=now)
            return None
        return offer

    def authenticate(
        self, transaction: ServerTransaction, request: Request, source: Address, now: float, *, proxy: bool = False
    ) -> str:
        """The user that a request proves to be from; empty where it was challenged or refused."""
        verdict, user = self._digest.check(request, source.host, now)
        if verdict is Verdict.RIGHT:
            return user
        if verdict in (Verdict.WRONG, Verdict.WITHOUT_QOP):
            without_qop = verdict is Verdict.WITHOUT_QOP
            self._core.counters.failed_logins += 1
            self._core.emit(LoginFailed(user=user, method=request.method, source=source, without_qop=without_qop))
            if without_qop:
                self._core.respond(transaction, 403, "Digest Without qop", now=now)
                return ""
        if not user:
            sender = request.address("from")
            user = sender.uri.decoded_user if sender is not None else ""
        stale = verdict is Verdict.STALE
        headers = self._digest.challenge(proxy=proxy, stale=stale, user=user, host=source.host, now=now)
        self._core.respond(transaction, 407 if proxy else 401, headers=headers, now=now)
        return ""
