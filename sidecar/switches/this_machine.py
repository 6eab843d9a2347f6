"""Whether what a configuration names can be used here: addresses, names and files.

`check`, `config` and `serve` ask the same, so that none of them is content with what another refuses. Only keys that
were given are looked at: the defaults are of a machine on which everything is installed.
"""

import grp
import os
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from sidecar.configuration.addresses import parse_sip_listen
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.shared_url import SharedUrl
from sidecar.configuration.source import DEFAULT_ORIGIN, InvalidConfigurationError, LeafPath, LoadedConfiguration
from sidecar.configuration.tree import Configuration
from sidecar.errors import ConfigurationError
from sidecar.hosts.lookup_services import read_services
from sidecar.hosts.mail.message import MailRefused, sender_address
from sidecar.hosts.secret_file import first_line, read_users
from sidecar.problem import Problem, Severity
from sipio.host_port import HostPort

Found = Iterator[tuple[Severity, str]]

_DATABASE_PACKAGES: Final = ("sqlalchemy", "greenlet", "alembic", "aiosqlite", "asyncpg", "asyncmy")
_MAIL_PACKAGES: Final = ("aiosmtplib", "limits")
_SMS_PACKAGES: Final = ("limits",)
_SHARED_PACKAGES: Final = ("redis",)
_INSTALL_THEM: Final = "pip install 'scriptforge-sidecar[platform]'"
_PLATFORM_PACKAGES: Final = (*_DATABASE_PACKAGES, "fastapi", "uvicorn", "httptools", "websockets", "limits", "sqlglot")
_CERTIFICATES: Final = (("socket", "tls_certificate"), ("sip", "tls_certificate"), ("platform", "tls_certificate"))


def unusable(loaded: LoadedConfiguration) -> list[Problem]:
    """Everything that the configuration names and that cannot be used on this machine, each at its key.

    It asks name servers, and opens no socket that anybody could reach.
    """
    problems = []
    for path, look in _looks(loaded.configuration).items():
        origin = loaded.origins.get(path, DEFAULT_ORIGIN)
        if origin == DEFAULT_ORIGIN:
            continue
        file, _, line = origin.rpartition(":")
        is_variable = not file or not line.isdigit()
        for severity, message in look():
            name, number = (origin, 0) if is_variable else (file, int(line))
            problems.append(Problem(name, number, 1, severity, f"{'.'.join(path)}: {message}"))
    return problems


def require_usable(loaded: LoadedConfiguration) -> None:
    """Raise InvalidConfigurationError for what cannot be used on this machine."""
    errors = tuple(problem for problem in unusable(loaded) if problem.severity is Severity.ERROR)
    if errors:
        raise InvalidConfigurationError(errors)


def _looks(configuration: Configuration) -> dict[LeafPath, Callable[[], Found]]:
    """What is to be looked at, by its key."""
    listening, kamailio, sip = configuration.socket, configuration.kamailio, configuration.sip
    freeswitch, metrics, voice = configuration.freeswitch, configuration.metrics, configuration.voice
    platform, mail, sms = configuration.platform, configuration.mail, configuration.sms
    return {
        ("socket", "unix"): partial(_unix, listening.unix),
        ("socket", "unix_group"): partial(_group, listening.unix_group),
        ("originate", "socket"): partial(_unix, configuration.originate.socket),
        ("originate", "socket_group"): partial(_group, configuration.originate.socket_group),
        ("socket", "tcp"): partial(_listens, listening.tcp),
        ("socket", "tls_certificate"): partial(_certificate, listening.tls_certificate, listening.tls_key),
        ("socket", "tls_client_ca"): partial(_authority, listening.tls_client_ca),
        ("catalog", "url"): partial(_database, configuration.catalog.url),
        ("storage", "url"): partial(_database, configuration.storage.url),
        ("shared", "url"): partial(_shared, configuration.shared.url),
        ("mail", "server"): partial(_packages, _MAIL_PACKAGES if mail.server is not None else ()),
        ("mail", "sender"): partial(_sender, mail.sender),
        ("mail", "password_file"): partial(_read, partial(first_line, "mail.password_file", mail.password_file)),
        ("sms", "url"): partial(_packages, _SMS_PACKAGES if sms.url else ()),
        ("sms", "authorization_file"): partial(
            _read, partial(first_line, "sms.authorization_file", sms.authorization_file)
        ),
        ("rest", "users_file"): partial(_read, partial(read_users, configuration.rest.users_file)),
        ("lookup", "services_file"): partial(_read, partial(read_services, configuration.lookup.services_file)),
        ("kamailio", "peers"): partial(_peers, kamailio.peers),
        ("voice", "sounds"): partial(_directory, voice.sounds),
        ("voice", "recordings"): partial(_directory, voice.recordings),
        ("voice", "cache"): partial(_directory, voice.cache),
        ("voice", "records"): partial(_directory, voice.records),
        ("sip", "listen"): partial(_sip_listeners, configuration),
        ("sip", "tls_certificate"): partial(_certificate, sip.tls_certificate, sip.tls_key),
        ("sip", "speech_command"): partial(_command, sip.speech_command),
        ("freeswitch", "listen"): partial(_listens, freeswitch.listen),
        ("metrics", "listen"): partial(_listens, metrics.listen),
        ("platform", "listen"): partial(_listens, platform.listen),
        ("platform", "metrics"): partial(_listens, platform.metrics),
        ("platform", "tls_certificate"): partial(_certificate, platform.tls_certificate, platform.tls_key),
        ("platform", "logs"): partial(_directory, platform.logs),
    }


def _listens(where: HostPort | None) -> Found:
    if where is not None:
        yield from _address(where, socket.SOCK_STREAM)


def _sip_listeners(configuration: Configuration) -> Found:
    for text in configuration.sip.listen:
        found = parse_sip_listen(text)
        kind = socket.SOCK_DGRAM if found.transport == "udp" else socket.SOCK_STREAM
        for severity, message in _address(found.where, kind):
            yield severity, f"{text}: {message}"


def _address(where: HostPort, kind: socket.SocketKind) -> Found:
    """Whether an address is this machine's: not whether its port is free, since the daemon that runs has it."""
    try:
        found = socket.getaddrinfo(where.host, where.port, type=kind, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        yield Severity.ERROR, f"{where.host} cannot be resolved: {_reason(error)}"
        return
    for family, _, protocol, _, address in dict.fromkeys(found):
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.bind((address[0], 0, *address[2:]))
        except OSError as error:
            yield Severity.ERROR, f"{address[0]} cannot be listened on: {_reason(error)}"


def _peers(peers: tuple[HostPort, ...]) -> Found:
    for peer in peers:
        if not peer.port:
            yield Severity.ERROR, f"{peer}: port 0 is nobody's"
            continue
        try:
            socket.getaddrinfo(peer.host, peer.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            # It is tried again and again: the name may be known by the time that Kamailio is there.
            yield Severity.WARNING, f"{peer.host} cannot be resolved: {_reason(error)}"


def _unix(path: Path | None) -> Found:
    if path is None:
        return
    # sun_path of unix(7), with its closing NUL.
    if len(os.fsencode(path)) > 107:
        yield Severity.ERROR, f"{path} is too long for a unix socket, which has 107 bytes"
    elif path.is_dir():
        yield Severity.ERROR, f"{path} is a directory"
    elif path.exists() and not path.is_socket():
        yield Severity.ERROR, f"{path} exists and is no socket"
    elif not path.parent.is_dir():
        # systemd makes the one below /run as the service starts.
        yield Severity.WARNING, f"there is no directory {path.parent} yet"


def _group(name: str) -> Found:
    if name:
        try:
            grp.getgrnam(name)
        except KeyError:
            yield Severity.ERROR, f"there is no group {name!r}"


def _directory(path: Path | None) -> Found:
    if path is not None and path.exists() and not path.is_dir():
        # Calls are taken all the same; the script that plays or records has the error.
        yield Severity.WARNING, f"{path} is no directory"


def _certificate(certificate: Path | None, key: Path | None) -> Found:
    if certificate is None or key is None:
        return
    for file in (certificate, key):
        try:
            file.open("rb").close()
        except OSError as error:
            yield Severity.ERROR, f"{file}: {_reason(error)}"
            return
    try:
        # A password would be asked for on the terminal, which a service has not.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        yield Severity.ERROR, f"{certificate} and {key} cannot be used: {_reason(error)}"


def _authority(file: Path | None) -> Found:
    if file is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(file)
    except OSError as error:
        yield Severity.ERROR, f"{file}: {_reason(error)}"


def missing_for_databases() -> str:
    """What to install before a database can be asked; empty where it is all there."""
    missing = ", ".join(name for name in _DATABASE_PACKAGES if find_spec(name) is None)
    return f"a database needs packages that are not installed here ({missing}): {_INSTALL_THEM}" if missing else ""


def missing_for_platform() -> str:
    """What to install before the platform can be started; empty where it is all there."""
    missing = ", ".join(name for name in _PLATFORM_PACKAGES if find_spec(name) is None)
    return f"the platform needs packages that are not installed here ({missing}): {_INSTALL_THEM}" if missing else ""


def _database(url: DatabaseUrl | None) -> Found:
    """Whether it could be asked at all: whether it answers is seen when it is."""
    if url is None:
        return
    missing = missing_for_databases()
    if missing:
        yield Severity.ERROR, missing
    if url.tls_ca is not None:
        yield from _authority(url.tls_ca)


def _shared(url: SharedUrl | None) -> Found:
    """As of a database; who starts while it is gone finds it later."""
    if url is None:
        return
    yield from _packages(_SHARED_PACKAGES)
    if url.tls_ca is not None:
        yield from _authority(url.tls_ca)
    if url.path is None:
        yield from _peers((HostPort(url.host, url.port),))


def _packages(needed: tuple[str, ...]) -> Found:
    missing = ", ".join(name for name in needed if find_spec(name) is None)
    if missing:
        yield Severity.ERROR, f"it needs packages that are not installed here ({missing}): {_INSTALL_THEM}"


def _sender(text: str) -> Found:
    if text:
        try:
            sender_address(text)
        except MailRefused as error:
            yield Severity.ERROR, str(error)


def _read(read: Callable[[], object]) -> Found:
    """Whether a file can be read by whoever needs it."""
    try:
        read()
    except ConfigurationError as error:
        yield Severity.ERROR, str(error).split(": ", 1)[1]  # behind its key


def _command(command: tuple[str, ...]) -> Found:
    if not command:
        yield Severity.ERROR, "expected a command"
    elif shutil.which(command[0]) is None:
        yield Severity.WARNING, f"there is no {command[0]!r} to speak with"


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
