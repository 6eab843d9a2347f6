"""What an operator may set of the SIP driver."""

import msgspec

from sipio.media.settings import MediaSettings
from sipio.sip.address import Address
from sipio.sip.settings import Credentials, UserAgentSettings


class Trunk(msgspec.Struct, frozen=True, kw_only=True):
    """A way out, and the calls that come in by it."""

    name: str
    target: str
    """Where its calls go, ``{number}`` filled in: ``sip:{number}@gateway.example:5060;transport=tcp``."""
    credentials: Credentials | None = None
    from_user: str = ""
    """Instead of the caller's number, for trunks that insist on their own."""
    from_host: str = ""
    """Host of our From; empty for our own address."""
    proxy: Address | None = None
    hosts: frozenset[str] = frozenset()
    """IP addresses that its calls come from."""
    customer: str = ""
    """Whose calls those are."""
    contact_user: str = ""
    """User part of the Contact that we registered with it; empty where we did not."""
    called_number: str = ""
    """Where its calls name the number called: ``request-uri``, ``to``, or a header by its name. Empty for the
    Request-URI, but of a call to the registered Contact P-Called-Party-ID, and To where there is none."""
    follow_redirects: bool = False
    """Whether a 300, 301 or 302 of its has the call go on to the Contacts that it names. Where they lead is for the
    trunk to say, and what the call costs is for us to pay: only for a trunk that redirects among its own."""


class SipDriverSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All that the SIP driver is told: its user agent, its media, and the ways out."""

    user_agent: UserAgentSettings = UserAgentSettings()
    media: MediaSettings = MediaSettings()
    trunks: tuple[Trunk, ...] = ()
    default_trunk: str = ""
    """Name of the trunk that bare numbers go out by; empty for none."""
    sip_uris: bool = True
    """Whether a script may bridge to any SIP URI, or only to registered users and trunks."""
