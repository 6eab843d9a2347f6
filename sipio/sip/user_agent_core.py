"""What the parts of one user agent share: its clock, timers, transactions, dialogs, and what waits to be taken out."""

from collections import deque
from collections.abc import Callable
from typing import Final

from sipio.errors import LocalError
from sipio.sip.address import Address
from sipio.sip.counters import SipCounters
from sipio.sip.dialog import DialogKey
from sipio.sip.dialog_user import DialogUser, RunningSession
from sipio.sip.events import SipEvent
from sipio.sip.listeners import Listeners
from sipio.sip.randomness import Randomness
from sipio.sip.serialize import Headers
from sipio.sip.server_directory import Located, ServerDirectory
from sipio.sip.server_lookup import ServerLookup
from sipio.sip.settings import UserAgentSettings
from sipio.sip.timers import Timers
from sipio.sip.transaction import ServerTransaction
from sipio.sip.transaction_layer import TransactionLayer
from sipio.sip.uri import escape_user

METHODS: Final = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "PRACK")
KNOWN_METHODS: Final = frozenset({*METHODS, "REGISTER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "PUBLISH", "REFER"})
"""Those that are answered 405 where they mean nothing here; any other is 501 (RFC 3261 clause 21.4.6)."""
EXTENSIONS: Final = ("100rel", "timer")
ALLOW: Final = ("Allow", ", ".join(METHODS))
SUPPORTED: Final = ("Supported", ", ".join(EXTENSIONS))
SDP_TYPE: Final = ("Content-Type", "application/sdp")


class UserAgentCore:
    """Shared by the sessions, registrations and the registrar of one `UserAgent`."""

    __slots__ = (
        "_takes_calls",
        "_wake",
        "awake",
        "clock",
        "connections",
        "counters",
        "dialogs",
        "draining",
        "events",
        "invites",
        "layer",
        "listeners",
        "outgoing",
        "randomness",
        "server_headers",
        "servers",
        "sessions",
        "settings",
        "timers",
        "user_agent_headers",
    )

    def __init__(
        self,
        settings: UserAgentSettings,
        *,
        clock: Callable[[], float],
        randomness: Randomness,
        wake: Callable[[], None],
        takes_calls: Callable[[], bool],
        source_towards: Callable[[str], str],
    ) -> None:
        self._takes_calls: Final = takes_calls
        self.settings: Final = settings
        self.clock: Final = clock
        self.randomness: Final = randomness
        self.timers: Final = Timers()
        self.outgoing: list[tuple[Address, bytes]] = []
        self.events: deque[SipEvent] = deque()
        self.layer: Final = TransactionLayer(
            timers=self.timers,
            values=settings.timers,
            randomness=randomness,
            send=self.send,
            stream_local=self._stream_local,
        )
        self.dialogs: dict[DialogKey, DialogUser] = {}
        self.sessions: dict[str, RunningSession] = {}
        """Those that have not ended, by their id."""
        self.invites: set[tuple[str, ...]] = set()
        """The incoming INVITEs of sessions that have not ended."""
        self.connections: set[Address] = set()
        """Remote ends of the connections that are up."""
        self.servers: Final = ServerDirectory()
        self.counters: Final = SipCounters()
        self.draining = False
        self.awake = False
        self._wake: Final = wake
        self.listeners: Final = Listeners(source_towards)
        product = settings.product
        self.server_headers: Final[Headers] = [("Server", product)] if product else []
        self.user_agent_headers: Final[Headers] = [("User-Agent", product)] if product else []

    @property
    def has_room(self) -> bool:
        """Whether one more session may begin here."""
        return not self.draining and len(self.sessions) < self.settings.limits.calls

    @property
    def takes_calls(self) -> bool:
        """Whether a call that came now would be taken, as far as can be known before it has come."""
        return self.has_room and self._takes_calls()

    @property
    def retry_after(self) -> tuple[str, str]:
        """The header of a 503."""
        return ("Retry-After", str(self.settings.limits.retry_after_seconds))

    def _stream_local(self, peer: Address) -> Address | None:
        try:
            return self.listeners.towards(peer)
        except LocalError:
            return None

    def contact(self, local: Address, user: str = "") -> tuple[str, str]:
        """Our Contact header towards a peer that knows us by this address; ``user`` is instead of the settings' own."""
        parameter = "" if local.transport == "udp" else f";transport={local.transport}"
        return ("Contact", f"<sip:{escape_user(user or self.settings.contact_user)}@{local.host_port}{parameter}>")

    def send(self, destination: Address, data: bytes) -> None:
        """Put a message out."""
        self.outgoing.append((destination, data))
        self.counters.messages_out += 1
        if not self.awake:
            self.awake = True
            self._wake()

    def respond(
        self,
        transaction: ServerTransaction,
        status: int,
        reason: str = "",
        *,
        headers: Headers | None = None,
        body: bytes = b"",
        now: float,
    ) -> bytes:
        """Answer a request, with our Server header. Returns the response's bytes; empty where it was not sent since a
        final answer was already given."""
        everything = [*self.server_headers, *headers] if headers else self.server_headers
        return transaction.respond(status, reason, everything, body, now=now)

    def emit(self, event: SipEvent) -> None:
        """Put an event out."""
        self.events.append(event)
        if not self.awake:
            self.awake = True
            self._wake()

    def locate(self, lookup: ServerLookup, then: Located) -> None:
        """Put a question out; ``then`` is called once with its answer."""
        self.servers.locate(lookup, then)
        if not self.awake:
            self.awake = True
            self._wake()
