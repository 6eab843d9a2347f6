"""The servers that scripts place calls by, as the operator names them; and what a script may call by each."""

import re
import tomllib
from pathlib import Path
from typing import Final, Literal

import msgspec

from sidecar.errors import ConfigurationError
from sidecar.hosts.errors import HostError

DriverName = Literal["sip", "freeswitch", "socket"]

CARRIED_BY: Final[dict[DriverName, str]] = {"sip": "sip", "freeswitch": "freeswitch", "socket": "rpc"}
"""The drivers as records and metrics of calls name them."""

_EVERYBODY: Final = "*"
_NUMBER: Final = re.compile(r"[A-Za-z0-9_.+*#\-]{1,64}")
_NAME: Final = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


class CallServer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One server."""

    driver: DriverName
    """What carries its calls: the embedded SIP agent, FreeSWITCH, or a switch on the MessagePack-RPC socket."""
    gateways: tuple[str, ...] = ()
    """Trunks that calls may leave by; a bare number leaves by the first."""
    extensions: str = "[0-9]{2,5}"
    """A regular expression: a bare number that is all of it is a phone registered there, and so may ``user/NAME`` be
    called. Empty: no phones."""
    tenants: tuple[str, ...] = (_EVERYBODY,)
    """Whose scripts may place calls by it."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    server: dict[str, CallServer] = {}
    companies: dict[str, tuple[str, ...]] = {}


class CallServers:
    """What the file of the operator says."""

    def __init__(self, file: Path | None) -> None:
        """Raises ConfigurationError for a file that cannot be used."""
        self._read = _File()
        if file is None:
            return
        try:
            self._read = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), _File)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            raise ConfigurationError(f"originate.servers_file: {file}: {error}") from error
        for name, server in self._read.server.items():
            try:
                re.compile(server.extensions)
            except re.error as error:
                raise ConfigurationError(f"originate.servers_file: {name}: extensions: {error}") from None
            for gateway in server.gateways:
                if _NAME.fullmatch(gateway) is None:
                    raise ConfigurationError(f"originate.servers_file: {name}: gateways: {gateway[:60]!r} is no name")

    def of(self, tenant: str, name: str) -> CallServer:
        """A tenant's server. Raises HostError: whose a server is that is another's is not told."""
        server = self._read.server.get(name)
        if server is None or not {tenant, _EVERYBODY} & set(server.tenants):
            raise HostError(f"there is no server {name[:60]!r} that calls are placed by (originate.servers_file)")
        return server

    def names(self, tenant: str) -> list[str]:
        """The servers of a tenant."""
        every = self._read.server.items()
        return [name for name, server in every if {tenant, _EVERYBODY} & set(server.tenants)]

    def check_company(self, tenant: str, company: str) -> None:
        """Raise HostError for a company that is not the tenant's: its own name, or an id that the operator has listed
        for it. None is its own."""
        if company and company != tenant and company not in self._read.companies.get(tenant, ()):
            raise HostError(f"the company {company[:60]} is not yours to place calls for")


def destination_of(what: str, text: str, server: CallServer) -> str:
    """A script's destination as drivers know it: ``user/NAME`` or ``trunk/GATEWAY/NUMBER``. Raises HostError for one
    that the server's phones and gateways do not lead to."""
    kind, slash, rest = text.partition("/")
    if not slash and _NUMBER.fullmatch(text):
        if server.extensions and re.fullmatch(server.extensions, text):
            return f"user/{text}"
        if not server.gateways:
            raise HostError(f"{what}: {text} is no extension, and calls leave by no gateway here")
        return f"trunk/{server.gateways[0]}/{text}"
    if kind == "user" and _NAME.fullmatch(rest) and server.extensions:
        return text
    gateway, slash, number = rest.partition("/")
    if kind == "trunk" and slash and _NUMBER.fullmatch(number) and gateway in server.gateways:
        return text
    raise HostError(
        f"{what}: {text[:60]!r} is no number, user/NAME or trunk/GATEWAY/NUMBER of a gateway of this server",
        "TypeError",
    )
