"""Where a script wants a call to go, as targets to be called in order."""

import msgspec

from sipio.errors import LocalError, MalformedMessage
from sipio.number import read_number
from sipio.sip.address import Address
from sipio.sip.endpoint import SipEndpoint
from sipio.sip.settings import Credentials
from sipio.sip.uri import escape_user, parse_uri
from sipio.sip_driver.settings import SipDriverSettings, Trunk


class UnknownDestination(LocalError):
    """There is no such user or trunk, or it may not be called."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One place to send an INVITE to."""

    uri: str
    proxy: Address | None = None
    credentials: Credentials | None = None
    from_user: str = ""
    """The user part of From; empty for the caller's."""
    from_host: str = ""
    """The host part of From; empty for our own."""
    follow_redirects: bool = False
    """Whether a 3xx is obeyed, as `Trunk.follow_redirects` says; never for a SIP URI that a script wrote or for a
    phone, which could send a call anywhere at our cost."""


def resolve(destination: str, settings: SipDriverSettings, endpoint: SipEndpoint) -> list[Target]:
    """The targets of one destination, in the order to call them.

    Raises:
        UnknownDestination: there is no such user or trunk, or it may not be called.
    """
    if destination.startswith(("sip:", "sips:")):
        if not settings.sip_uris:
            raise UnknownDestination("SIP addresses may not be called")
        try:
            parse_uri(destination)
        except MalformedMessage as error:
            raise UnknownDestination(f"not a SIP address: {error}") from None
        return [Target(uri=destination)]
    if destination[:4].lower() == "tel:":
        destination = read_number(destination).text
    kind, _, rest = destination.partition("/")
    if kind == "user" and rest:
        return _registered(rest, endpoint)
    if kind == "trunk":
        name, _, number = rest.partition("/")
        return [_by_trunk(_trunk(name, settings), number)]
    if "/" in destination:
        raise UnknownDestination(f"{destination} is no destination")
    if settings.default_trunk:
        return [_by_trunk(_trunk("default", settings), destination)]
    return _registered(destination, endpoint)


def _registered(user: str, endpoint: SipEndpoint) -> list[Target]:
    bindings = endpoint.contacts(user)
    if not bindings:
        raise UnknownDestination(f"{user} is not registered")
    return [Target(uri=binding.contact, proxy=binding.path) for binding in bindings]


def _trunk(name: str, settings: SipDriverSettings) -> Trunk:
    wanted = settings.default_trunk if name == "default" else name
    for trunk in settings.trunks:
        if trunk.name == wanted:
            return trunk
    raise UnknownDestination(f"there is no trunk {name}")


def _by_trunk(trunk: Trunk, number: str) -> Target:
    if not number:
        raise UnknownDestination(f"the trunk {trunk.name} needs a number")
    return Target(
        uri=trunk.target.replace("{number}", escape_user(number)),
        proxy=trunk.proxy,
        credentials=trunk.credentials,
        from_user=trunk.from_user,
        from_host=trunk.from_host,
        follow_redirects=trunk.follow_redirects,
    )
