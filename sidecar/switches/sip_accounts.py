"""Phones and trunks of the embedded SIP agent: a TOML file of its own, since it holds passwords.

[[user]]                      # a phone that may register; its calls are the customer of the same name
name = "alice"
password = "secret"
algorithms = ["MD5"]          # for a phone that does not know sip.digest_algorithms, or only the first of them
tenant = "acme"               # whose scripts may ring it by cxOriginate, and see where it is; else everybody's
without_qop = true            # for a phone that answers as before RFC 2617, without qop, nonce count and cnonce

[[trunk]]
name = "carrier"
target = "sip:{number}@gateway.example:5060"
username = "acct1"            # digest credentials, and with register = true a registration
password = "secret"
register = true
contact_user = "acct1"        # user part of the Contact that is registered: the username unless said otherwise
called_number = "to"          # where its calls name the number called: "request-uri", "to", or a header's name
from_user = ""                # instead of the caller's number
hosts = ["192.0.2.10"]        # where its calls come from: they are not challenged
customer = "acme"             # whose calls those are
default = true                # bare numbers go out by this one
follow_redirects = false      # whether its 300, 301 and 302 are followed, wherever they lead and whatever that costs
"""

import ipaddress
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from sidecar.configuration.tree import DigestAlgorithm
from sidecar.errors import ConfigurationError
from sidecar.problem import Problem, Severity
from sipio.errors import MalformedMessage
from sipio.sip.message import is_token
from sipio.sip.settings import Credentials, RegistrationSettings
from sipio.sip.uri import parse_uri
from sipio.sip_driver.settings import Trunk


class _User(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    password: str
    algorithms: tuple[DigestAlgorithm, ...] = ()
    without_qop: bool = False
    tenant: str = ""


class _Trunk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    target: str
    username: str = ""
    password: str = ""
    register: bool = False
    contact_user: str = ""
    called_number: str = ""
    from_user: str = ""
    from_host: str = ""
    hosts: frozenset[str] = frozenset()
    customer: str = ""
    default: bool = False
    follow_redirects: bool = False


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    user: list[_User] = []
    trunk: list[_Trunk] = []


class SipAccounts(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says, as the agent takes it."""

    users: tuple[Credentials, ...] = ()
    trunks: tuple[Trunk, ...] = ()
    registrations: tuple[RegistrationSettings, ...] = ()
    default_trunk: str = ""
    trusted_hosts: frozenset[str] = frozenset()
    owners: Mapping[str, str] = {}
    """By user, the tenant whose phone it is: those that are somebody's."""


def load_accounts(file: Path) -> SipAccounts:
    """Read the file. Raises ConfigurationError, naming what is wrong and never a password."""
    try:
        text = file.read_text(encoding="utf-8")
        read = msgspec.convert(tomllib.loads(text), _File)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{file}: {error}") from error
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{file}: {error}") from error
    _check_unique(file, "user", [user.name for user in read.user])
    _check_unique(file, "trunk", [trunk.name for trunk in read.trunk])
    defaults = [trunk.name for trunk in read.trunk if trunk.default]
    if len(defaults) > 1:
        raise ConfigurationError(f"{file}: more than one trunk is the default: {', '.join(defaults)}")
    trunks = []
    registrations = []
    for trunk in read.trunk:
        credentials = Credentials(username=trunk.username, password=trunk.password) if trunk.username else None
        host = _host_of(file, trunk)
        contact_user = (trunk.contact_user or trunk.username) if trunk.register else ""
        _check_called(file, trunk)
        if trunk.register:
            if credentials is None:
                raise ConfigurationError(f"{file}: trunk {trunk.name}: register needs a username")
            registrations.append(
                RegistrationSettings(
                    name=trunk.name,
                    registrar=f"sip:{host}",
                    address_of_record=f"sip:{trunk.username}@{host.partition(':')[0]}",
                    credentials=credentials,
                    contact_user=contact_user,
                )
            )
        trunks.append(
            Trunk(
                name=trunk.name,
                target=trunk.target,
                credentials=credentials,
                from_user=trunk.from_user,
                from_host=trunk.from_host,
                hosts=trunk.hosts,
                customer=trunk.customer,
                contact_user=contact_user,
                called_number=trunk.called_number,
                follow_redirects=trunk.follow_redirects,
            )
        )
    return SipAccounts(
        users=tuple(
            Credentials(
                username=user.name,
                password=user.password,
                algorithms=user.algorithms,
                without_qop=user.without_qop,
            )
            for user in read.user
        ),
        trunks=tuple(trunks),
        registrations=tuple(registrations),
        default_trunk=defaults[0] if defaults else "",
        trusted_hosts=frozenset(host for trunk in read.trunk for host in trunk.hosts),
        owners={user.name: user.tenant for user in read.user if user.tenant},
    )


def check_accounts(file: Path) -> list[Problem]:
    """What is wrong with the file and with who may read it."""
    found = []
    try:
        load_accounts(file)
    except ConfigurationError as error:
        message = str(error).removeprefix(f"{file}: ")
        found.append(Problem(str(file), 0, 0, Severity.ERROR, message))
    readers = readable_by_others(file)
    if readers:
        found.append(Problem(str(file), 0, 0, Severity.WARNING, readers))
    return found


def readable_by_others(file: Path) -> str:
    """What is wrong with who may read or write the file, whose passwords are for the daemon alone; empty for nothing,
    and where it cannot be looked at, which reading it says."""
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError:
        return ""
    if mode & stat.S_IROTH:
        return f"its passwords can be read by everybody on this machine (mode {mode:04o}): chmod o-rwx"
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"its passwords can be changed by others (mode {mode:04o}): chmod go-w"
    return ""


def _host_of(file: Path, trunk: _Trunk) -> str:
    try:
        uri = parse_uri(trunk.target.replace("{number}", "0"))
    except MalformedMessage as error:
        raise ConfigurationError(f"{file}: trunk {trunk.name}: target: {error}") from error
    for host in trunk.hosts:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise ConfigurationError(f"{file}: trunk {trunk.name}: hosts: {host} is no IP address") from None
    return f"{uri.host}:{uri.port}" if uri.port else uri.host


def _check_called(file: Path, trunk: _Trunk) -> None:
    if trunk.contact_user and not trunk.register:
        raise ConfigurationError(f"{file}: trunk {trunk.name}: contact_user is of a trunk with register = true")
    if trunk.called_number and not is_token(trunk.called_number):
        raise ConfigurationError(
            f'{file}: trunk {trunk.name}: called_number is "request-uri", "to" or the name of a header,'
            f" not {trunk.called_number[:80]!r}"
        )


def _check_unique(file: Path, kind: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"{file}: {kind} {name} is there twice")
