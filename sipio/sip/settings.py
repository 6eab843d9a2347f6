"""What an operator or a test may set of the user agent."""

import msgspec

from sipio.call_control import CallLimits
from sipio.sip.address import Address


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """A user name and its password."""

    username: str
    password: str
    realm: str = ""
    """Only for challenges of this realm; empty for any."""
    algorithms: tuple[str, ...] = ()
    """Of a user who logs in here: the algorithms that it is challenged with, in this order; empty for those of the
    agent. For a phone that knows MD5 alone, or gives up at the first challenge that it does not know."""
    without_qop: bool = False
    """Of a user who logs in here: whether its phone may answer as before RFC 2617, without ``qop``."""


class TimerValues(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 3261 table 4, in seconds."""

    t1: float = 0.5
    """The round trip assumed."""
    t2: float = 4.0
    """The longest interval between retransmissions of anything but INVITE."""
    t4: float = 5.0
    """The longest a message stays in the network."""

    @property
    def transaction(self) -> float:
        """64 * T1: how long a transaction is tried (timers B, F, H, J, L and M)."""
        return 64 * self.t1


class UserAgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All that a user agent is told."""

    product: str = "ScriptForge-Sidecar"
    """In User-Agent and Server; empty for neither."""
    contact_user: str = "sidecar"
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    """An offer with none of these is refused with 488 before anybody hears of it."""
    limits: CallLimits = CallLimits()
    """Its ``calls`` are sessions, in and out: past it a further INVITE is refused with 503 and Retry-After."""
    session_expires_seconds: int = 1_800
    """Asked for in our INVITEs and given to peers that support session timers (RFC 4028); 0 for none."""
    minimum_session_expires_seconds: int = 90
    """RFC 4028 clause 4: not under 90."""
    ring_timeout_seconds: float = 180.0
    """An incoming call that nobody answered is ended with 480 after this long (RFC 3261 clause 13.3.1.1 has a minute
    between provisional responses; we repeat them until then)."""
    failover_seconds: float = 4.0
    """A server that says nothing at all to an INVITE for so long is given up for the next one, where its name has
    several (RFC 3263 clause 4.3 would wait for timer B, half a minute in which the caller hears nothing)."""
    timers: TimerValues = TimerValues()
    realm: str = "sidecar"
    digest_algorithms: tuple[str, ...] = ("SHA-256", "MD5")
    """What users are challenged with, one challenge for each in this order: RFC 8760 clause 2.4 has the client take the
    first that it knows."""
    digest_without_qop: bool = False
    """Whether every user's phone may answer a challenge without ``qop``."""
    users: tuple[Credentials, ...] = ()
    """Phones that may register here. An INVITE from one of these user names is challenged."""
    registration_minimum_seconds: int = 60
    registration_maximum_seconds: int = 3_600
    registration_contacts: int = 5
    """One user may have so many bindings."""
    trusted_hosts: frozenset[str] = frozenset()
    """IP addresses (trunks) whose INVITEs are never challenged, whatever user they name."""


class RegistrationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One registration of ours with a registrar elsewhere."""

    name: str
    """The trunk's name, by which events speak of it."""
    registrar: str
    """``sip:host[:port][;transport=tcp]``"""
    address_of_record: str
    """``sip:user@domain``"""
    credentials: Credentials | None = None
    contact_user: str = ""
    """User part of the Contact that is registered, by which calls to it can be told from others; empty for the user
    agent's own."""
    expires_seconds: int = 3_600
    proxy: Address | None = None
    """Where to send it instead of the registrar's own address."""
