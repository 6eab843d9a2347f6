"""The SIP user agent as a sans-IO core: bytes in; events, bytes with their destination and the next deadline out."""

from collections.abc import Callable, Iterable
from typing import Final

from sipio.errors import MalformedMessage, OversizedFrame
from sipio.sip.address import Address
from sipio.sip.bodies import SDP, UnsupportedBody, session_description
from sipio.sip.contact import request_uri_of
from sipio.sip.counters import SipSnapshot
from sipio.sip.digest_server import DigestServer
from sipio.sip.events import SipEvent
from sipio.sip.invitations import Invitations
from sipio.sip.invite_target import InviteTarget, target_headers
from sipio.sip.listeners import Listening, MediaAddress
from sipio.sip.media_description import LocalMedia
from sipio.sip.message import Request, parse_message
from sipio.sip.outgoing import MediaFor, OutgoingSession
from sipio.sip.randomness import Randomness
from sipio.sip.registrar import Binding, Registrar
from sipio.sip.registration import Registration
from sipio.sip.serialize import Headers, check_headers, printable
from sipio.sip.server_lookup import ServerLookup
from sipio.sip.session_timer import requires
from sipio.sip.settings import Credentials, RegistrationSettings, UserAgentSettings
from sipio.sip.stateless import StatelessAnswers
from sipio.sip.tag import tag_of
from sipio.sip.transaction import ServerTransaction
from sipio.sip.uri import parse_name_address, parse_uri
from sipio.sip.user_agent_core import ALLOW, EXTENSIONS, KNOWN_METHODS, SUPPORTED, UserAgentCore

_SCHEMES: Final = frozenset({"sip", "sips", "tel"})


class UserAgent:
    """Calls in and out, registrations in and out.

    After every call of a method take what `take_outgoing`, `next_event` and `take_lookups` give and look at
    `next_deadline`; ``wake`` says once that a command made this necessary.
    """

    def __init__(
        self,
        settings: UserAgentSettings,
        *,
        clock: Callable[[], float],
        randomness: Randomness | None = None,
        wake: Callable[[], None] | None = None,
        takes_calls: Callable[[], bool] = lambda: True,
        source_towards: Callable[[str], str] = lambda _host: "",
    ) -> None:
        """``clock`` is seconds that never go back. ``takes_calls`` says whether whoever drives calls would take one
        now: OPTIONS is answered by it. ``source_towards`` gives the local address that an IP address is reached from,
        empty where that is not known."""
        self._randomness: Final = randomness or Randomness()
        self._core: Final = UserAgentCore(
            settings,
            clock=clock,
            randomness=self._randomness,
            wake=wake or (lambda: None),
            takes_calls=takes_calls,
            source_towards=source_towards,
        )
        self._digest: Final = DigestServer(
            settings.realm,
            settings.users,
            self._randomness,
            settings.digest_algorithms,
            without_qop=settings.digest_without_qop,
        )
        self._invitations: Final = Invitations(self._core, self._digest)
        self._registrar: Final = Registrar(self._core)
        self._registrations: dict[str, Registration] = {}
        self._stateless: Final = StatelessAnswers(self._core, self._randomness.nonce())

    def snapshot(self, *, connections: int = 0) -> SipSnapshot:
        """The counters as they are now; ``connections`` is what the shell has open."""
        core = self._core
        return core.counters.snapshot(
            sessions=len(core.sessions),
            transactions=len(core.layer),
            connections=connections,
            dropped_requests=core.layer.dropped,
        )

    @property
    def sessions(self) -> int:
        """Sessions that have not ended."""
        return len(self._core.sessions)

    @property
    def busy(self) -> bool:
        """Whether a session is up, or a request of ours (a BYE, say) waits for its answer."""
        return bool(self._core.sessions or self._core.dialogs or self._core.layer.waiting)

    @property
    def transactions(self) -> int:
        """Transactions held, those that only absorb retransmissions included."""
        return len(self._core.layer)

    def listen(self, key: str, address: Address, *, bound: str = "", wildcard: bool = False) -> None:
        """One more local address, as it is to stand in Via and Contact; ``key`` is `Address.local` of its traffic.
        ``bound`` is the IP address of its socket, where that is another one; see `Listening`."""
        self._core.listeners.add(Listening(address._replace(local=key), bound or address.host, wildcard))

    def media_address(self, local: Address, remote_host: str = "") -> MediaAddress:
        """Where to have the audio of a leg whose signalling is at ``local``; see `Listeners.for_media`."""
        return self._core.listeners.for_media(local, remote_host)

    def connection_made(self, address: Address) -> None:
        """A connection with this remote end is up."""
        self._core.connections.add(address)

    def connection_lost(self, address: Address) -> None:
        """A connection is gone: requests that wait for an answer from there failed; dialogs go on over a new one."""
        self._core.connections.discard(address)
        self._registrar.connection_lost(address)
        self.transport_failed(address)

    def transport_failed(self, destination: Address) -> None:
        """Nothing reaches this address: what waits for an answer from there has failed."""
        self._core.awake = True
        self._core.layer.transport_failed(destination, self._core.clock())

    def next_deadline(self) -> float | None:
        """When `handle_timers` is due; None for never."""
        return self._core.timers.next_deadline()

    def handle_timers(self) -> None:
        """Do what is due by now."""
        self._core.awake = True
        self._core.timers.run(self._core.clock())

    def take_outgoing(self) -> list[tuple[Address, bytes]]:
        """What is to be sent, in order."""
        outgoing, self._core.outgoing = self._core.outgoing, []
        return outgoing

    def next_event(self) -> SipEvent | None:
        """What has happened, in order, one at a time; None for nothing more."""
        return self._core.events.popleft() if self._core.events else None

    def take_lookups(self) -> list[ServerLookup]:
        """Names whose servers are asked for: give each to `located`."""
        lookups, self._core.servers.lookups = self._core.servers.lookups, []
        return lookups

    @property
    def pending(self) -> bool:
        """Whether there is anything to take."""
        return bool(self._core.outgoing or self._core.events or self._core.servers.lookups)

    def rest(self) -> None:
        """Everything was taken: the next command calls ``wake`` again."""
        self._core.awake = False

    # ---- commands ----

    def invite(
        self,
        target: str,
        *,
        from_: str = "",
        from_user: str = "",
        media: LocalMedia | MediaFor,
        to: str = "",
        headers: Headers | None = None,
        credentials: Credentials | None = None,
        proxy: Address | None = None,
        max_forwards: int = 70,
    ) -> OutgoingSession:
        """Call ``target`` (a sip or sips URI).

        ``from_`` is a From value without a tag: ``"A" <sip:user@host>`` or a URI; in place of it ``from_user`` is a
        user part, escaped, at our own address as the server called sees it. ``media`` may be asked for once that
        address is known, and again for a server in another network: None ends the session with 503. ``to`` is a To
        value where that is not the target itself, as for a registered phone. ``proxy`` is where to send it where that
        is not the target's own address, such as `Binding.path`. For a call bridged on, ``max_forwards`` is one less
        than it came with: then a loop ends by itself.

        Raises:
            MalformedMessage: the target, ``from_`` or ``to`` cannot be read.
            LocalError: a header that may not be set, or no listener of that transport.
        """
        uri = parse_uri(target)
        target = request_uri_of(uri)
        from_value, to_value = target_headers(from_ or f"sip:{from_user}@127.0.0.1", target)
        parse_name_address(from_value)
        if to:
            to_value = target_headers(to, target)[0]
            parse_name_address(to_value)
        if not uri.host:
            raise MalformedMessage(f"{target[:80]!r} is nothing to call")
        return OutgoingSession(
            self._core,
            InviteTarget(
                uri=target,
                from_=from_value if from_ else "",
                from_user=from_user,
                to=to_value,
                servers=proxy or uri,
                max_forwards=max_forwards,
            ),
            media,
            list(check_headers(headers)),
            credentials,
        )

    def register(self, registration: RegistrationSettings) -> None:
        """Keep us registered from now on, in place of another registration of that name."""
        self.unregister(registration.name)
        found = Registration(self._core, registration)
        self._registrations[registration.name] = found
        found.start()

    def use_registrations(self, registrations: Iterable[RegistrationSettings]) -> None:
        """Keep us registered by these and no others from now on; those that are as they were go on undisturbed.

        Raises:
            MalformedMessage: a registrar or an address of record that is no URI; nothing has changed.
            LocalError: nothing is listened on for the transport of one; nothing has changed.
        """
        wanted = {registration.name: registration for registration in registrations}
        made = {
            name: Registration(self._core, registration)
            for name, registration in wanted.items()
            if name not in self._registrations or self._registrations[name].settings != registration
        }
        for name in [name for name in self._registrations if name not in wanted or name in made]:
            self.unregister(name)
        for name, found in made.items():
            self._registrations[name] = found
            found.start()

    def unregister(self, name: str) -> None:
        """End a registration of ours; nothing happens where there is none."""
        found = self._registrations.pop(name, None)
        if found is not None:
            found.stop()

    def contacts(self, user: str) -> list[Binding]:
        """Where a registered user is now, the newest first; empty for not registered."""
        return self._registrar.contacts(user)

    def use_accounts(self, users: Iterable[Credentials], trusted_hosts: frozenset[str]) -> None:
        """Know these users and trust these hosts from now on, in place of those of the settings. Where a user is stays
        known while there is such a user, and sessions go on."""
        self._digest.use(users)
        self._invitations.trust(trusted_hosts)
        self._registrar.keep(self._digest.users)

    def drain(self) -> None:
        """Refuse new calls with 503 from now on; those that are up go on."""
        self._core.draining = True

    def shut_down(self) -> None:
        """Unregister and end every session; what they still send has to be taken out."""
        self.drain()
        for name in list(self._registrations):
            self.unregister(name)
        for session in list(self._core.sessions.values()):
            session.end(503, headers=[("Reason", 'SIP;cause=503;text="Shutdown"')])

    # ---- what comes in ----

    def located(self, lookup: ServerLookup, addresses: list[Address]) -> None:
        """The servers of a name, in the order to try them; empty for none."""
        self._core.awake = True
        self._core.servers.located(lookup, addresses)

    def receive(self, data: bytes, source: Address) -> None:
        """One datagram, or one message of a stream. Never raises: what cannot be read is answered 400 or counted."""
        core = self._core
        core.awake = True
        core.counters.messages_in += 1
        if not data.strip(b"\r\n\0"):
            # A keep-alive of a phone behind NAT.
            return
        now = core.clock()
        try:
            message = parse_message(data)
        except (MalformedMessage, OversizedFrame) as error:
            self._stateless.refuse_malformed(data, source, str(error))
            return
        if not isinstance(message, Request):
            try:
                core.layer.receive_response(message, now)
            except MalformedMessage:
                core.counters.unreadable += 1
            return
        if message.version.upper() != "SIP/2.0":
            # Before its headers are judged: another version may have others.
            self._stateless.refuse_version(data, source)
            return
        to = message.get("to")
        try:
            if to is not None and tag_of(to):
                # Found by its tags and Call-ID or not at all: a third of a call's time went into its addresses.
                message.verify_presence()
            else:
                message.verify()
        except MalformedMessage as error:
            self._stateless.refuse_malformed(data, source, str(error))
            return
        try:
            self._receive_request(message, source, now)
        except MalformedMessage as error:
            self._stateless.refuse_malformed(data, source, str(error))

    def _receive_request(self, request: Request, source: Address, now: float) -> None:
        if request.method == "ACK":
            self._receive_ack(request, now)
            return
        layer = self._core.layer
        transaction = layer.receive_request(request, source)
        if transaction is None:
            return
        try:
            self._dispatch(transaction, request, source, now)
        except MalformedMessage as error:
            # A transaction left without its final answer would never end.
            self._core.counters.bad_requests += 1
            self._core.respond(transaction, 400, printable(str(error)), now=now)
        except UnsupportedBody as error:
            self._core.counters.bad_requests += 1
            self._core.respond(transaction, 415, headers=error.headers, now=now)

    def _dispatch(self, transaction: ServerTransaction, request: Request, source: Address, now: float) -> None:
        if request.method == "CANCEL":
            self._receive_cancel(transaction, request, now)
            return
        to_tag = tag_of(request.get("to") or "")
        if to_tag:
            self._receive_in_dialog(transaction, request, to_tag, source, now)
            return
        unsupported = [option for option in requires(request) if option not in EXTENSIONS]
        if unsupported:
            self._core.respond(transaction, 420, headers=[("Unsupported", ", ".join(unsupported))], now=now)
        elif request.request_uri().scheme not in _SCHEMES:
            self._core.respond(transaction, 416, now=now)
        elif request.method == "INVITE":
            self._invitations.receive(transaction, request, source, now)
        elif request.method == "OPTIONS":
            # Clause 8.2.3 is for every request; what its SDP says is of no interest.
            session_description(request)
            self._receive_options(transaction, now)
        elif request.method == "REGISTER" and self._digest.users:
            user = self._invitations.authenticate(transaction, request, source, now)
            if user:
                session_description(request)
                self._registrar.receive(transaction, request, user, source, now)
        elif request.method in {"BYE", "INFO", "PRACK", "UPDATE"}:
            self._core.respond(transaction, 481, now=now)
        else:
            self._core.respond(transaction, 405 if request.method in KNOWN_METHODS else 501, headers=[ALLOW], now=now)

    def _receive_options(self, transaction: ServerTransaction, now: float) -> None:
        # Clause 11.2: answered as an INVITE would be. Whoever distributes calls probes with it.
        if self._core.takes_calls:
            self._core.respond(transaction, 200, headers=[ALLOW, SUPPORTED, ("Accept", SDP)], now=now)
        else:
            self._core.respond(transaction, 503, headers=[self._core.retry_after], now=now)

    def _receive_ack(self, request: Request, now: float) -> None:
        if self._core.layer.receive_ack(request, now):
            return
        key = (request.get("call-id") or "", tag_of(request.get("to") or ""), tag_of(request.get("from") or ""))
        user = self._core.dialogs.get(key)
        if user is not None:
            user.receive_ack(request, now)

    def _receive_cancel(self, transaction: ServerTransaction, cancel: Request, now: float) -> None:
        invite = self._core.layer.invite_of(cancel)
        if invite is None:
            self._core.respond(transaction, 481, now=now)
            return
        # Clause 9.2: 200 whether it still changes anything or not.
        self._core.respond(transaction, 200, now=now)
        user = self._core.dialogs.get((cancel.get("call-id") or "", invite.to_tag, tag_of(cancel.get("from") or "")))
        if user is not None:
            user.receive_cancel(cancel, now)

    def _receive_in_dialog(
        self, transaction: ServerTransaction, request: Request, to_tag: str, source: Address, now: float
    ) -> None:
        key = (request.get("call-id") or "", to_tag, tag_of(request.get("from") or ""))
        user = self._core.dialogs.get(key)
        if user is None:
            self._core.respond(transaction, 481, now=now)
            return
        unsupported = [option for option in requires(request) if option not in EXTENSIONS]
        if unsupported:
            self._core.respond(transaction, 420, headers=[("Unsupported", ", ".join(unsupported))], now=now)
            return
        user.receive_in_dialog(transaction, request, source, now)
