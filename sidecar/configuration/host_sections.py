"""The sections of the configuration for what modules of scripts work with."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.section import Count, Interval, Section
from sidecar.configuration.shared_url import SharedUrl
from sidecar.configuration.typed_value import Network, OctalMode, WebUrl
from sipio.host_port import HostPort


class StorageSection(Section, frozen=True):
    """What the modules of scripts keep: key-values, rows."""

    url: DatabaseUrl | None = None
    """The database that it is in, written as ``catalog.url``, which it is where this is empty. A catalog in a directory
    needs one for scripts that keep something."""
    keys_per_tenant: Count = 100_000
    """Keys that one tenant may keep."""
    key_bytes_per_tenant: Count = 100_000_000
    """Bytes of keys and their values that one tenant may keep."""
    rows_per_tenant: Count = 1_000_000
    """Rows that one tenant may keep in its databases together, or about as many: they are counted every ten seconds."""


class SharedSection(Section, frozen=True):
    """What several machines share beside the database; see docs/clustering.md."""

    url: SharedUrl | None = None
    """The Valkey or Redis that has it: ``valkey://user:password@host:6379/0``, ``valkeys://`` for TLS,
    ``unix:///run/valkey/valkey.sock``. Empty text for one machine: what scripts keep by key is in the database, and
    messages and limits are each process's own."""
    prefix: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")] = "scriptforge"
    """What all keys there begin with. Installations that are apart and use the same one have each its own."""
    name: Annotated[str, Meta(max_length=100)] = ""
    """What ``scriptforge nodes`` calls this machine; empty for the host's name."""


class LimitsSection(Section, frozen=True):
    """What one tenant may use in the process that serves calls, and but for the first two in the one that serves HTTP;
    0 for no limit. An operator sets others for a tenant by ``scriptforge limits``; see docs/limits.md."""

    runs_at_once: Annotated[int, Meta(ge=0)] = 0
    """Decisions and calls under way. Of runs over HTTP see ``platform.tenant_runs_at_once``."""
    runs_a_second: Annotated[int, Meta(ge=0)] = 0
    """Runs of scripts begun; as many may be begun at once. Of runs over HTTP see ``platform.tenant_runs_a_second``."""
    cpu_ms_a_minute: Annotated[int, Meta(ge=0)] = 0
    """Processor time of scripts, in milliseconds."""
    host_calls_a_minute: Annotated[int, Meta(ge=0)] = 0
    """Questions of scripts to modules of the host."""
    host_bytes_a_minute: Annotated[int, Meta(ge=0)] = 0
    """Bytes of the answers to them."""
    scripts: Annotated[int, Meta(ge=0)] = 10_000
    """Scripts kept in the database."""


class OutgoingSection(Section, frozen=True):
    """What scripts may reach: over HTTP by ``fetch`` and what is built on it, and by connections of their own."""

    hosts: tuple[str, ...] = ("*",)
    """Names that scripts may connect to: ``api.example.com``, ``*.example.com`` for all below it, ``*`` for every one,
    an address for that one."""
    networks: tuple[Network, ...] = ()
    """Networks of this machine's own side that may be reached nevertheless. Whatever is not on the open internet is
    refused otherwise: loopback, link-local and private addresses, of a name as of a URL."""
    ports: tuple[Annotated[int, Meta(ge=1, le=65_535)], ...] = ()
    """Ports that may be reached beside 80 and 443, those of FTP (21, 990), and those from 1024 on, where no SIP and no
    database is."""
    timeout_seconds: Interval = 10.0
    """One request, its redirects and the whole answer included."""
    request_bytes: Count = 1_000_000
    """The largest body that a script may send."""
    response_bytes: Annotated[int, Meta(ge=1, le=900_000)] = 900_000
    """The largest answer that a script may have, unpacked."""
    redirects: Annotated[int, Meta(ge=0, le=20)] = 5
    """How many are followed."""
    worker_hosts: tuple[str, ...] = ()
    """Of ``hosts`` those that Workers may connect to, in the same words; without any they reach nothing."""
    at_once: Count = 256
    """Requests of all scripts under way at once; the next one fails."""
    at_once_per_tenant: Count = 32
    """Requests of one tenant under way at once; the next one fails."""
    connections_at_once: Annotated[int, Meta(ge=0)] = 512
    """Connections of all scripts (``net``, ``tls``, ``http``, ``https``) that are open at once; the next one fails.
    With 0 there are none, which leaves ``fetch``."""
    connections_at_once_per_tenant: Count = 64
    """Connections of one tenant that are open at once; the next one fails."""
    connection_bytes: Count = 100_000_000
    """Bytes that may go each way over one connection."""
    connection_idle_seconds: Interval = 300.0
    """A connection over which nothing went for so long is ended."""
    tls_ca: Path | None = None
    """PEM certificates of authorities that scripts' connections and ``fetch`` trust, beside those of the system."""


class ModulesSection(Section, frozen=True):
    """npm modules that scripts may require; ``scriptforge modules`` installs them. See docs/modules.md."""

    directory: Path = Path("/var/lib/scriptforge/modules")
    """Where they are installed, with their hashes, which each start checks."""
    granted: tuple[str, ...] = ("*",)
    """Modules that every tenant's scripts may require, ``*`` for all that are installed. Others an operator grants to
    tenants and apps by ``scriptforge modules grant``."""
    registry: WebUrl = "https://registry.npmjs.org"
    """The registry that they are fetched from, or a mirror of it. Proxies are taken from ``https_proxy`` and
    ``http_proxy``, authorities besides the system's from ``SSL_CERT_FILE``."""


class MailSection(Section, frozen=True):
    """The server that mail of scripts is handed to."""

    server: HostPort | None = None
    """``host:port``; empty for none: scripts send no mail."""
    sender: str = ""
    """Whom mail is from, such as ``Scripts <scripts@carrier.example>``."""
    tls: bool = False
    """TLS from the first byte, as on port 465. Without it STARTTLS is used where the server has it."""
    username: str = ""
    """Who logs in; empty for nobody."""
    password_file: Path | None = None
    """File whose first line is the password."""
    timeout_seconds: Interval = 10.0
    """Each step of handing a mail in."""
    per_minute: Count = 60
    """Mails that one tenant may send in a minute; the next one fails."""


class RestSection(Section, frozen=True):
    """The switch's REST API, which scripts ask by ``cxRest``."""

    url: WebUrl = ""
    """What every path comes behind; empty for none. It may be on this machine's own side."""
    users_file: Path | None = None
    """TOML with a table for each API user: ``[name]``, ``password = "..."``, ``tenants = ["..."]``: whose scripts may
    ask as this user."""
    timeout_seconds: Interval = 10.0
    """One request."""


class SmsSection(Section, frozen=True):
    """The HTTP gateway that short messages of scripts are handed to, by POST."""

    url: WebUrl = ""
    """Where it takes them; empty for none: scripts send no short messages. It may be on this machine's own side."""
    form: Literal["json", "urlencoded"] = "json"
    """How the body is written."""
    to_field: str = "to"
    """Its field for the number."""
    text_field: str = "text"
    """Its field for the text, of which the gateway makes the parts."""
    sender_field: str = "from"
    """Its field for the sender."""
    sender: str = ""
    """Whom messages are from; empty for no such field."""
    authorization_file: Path | None = None
    """File whose first line is the value of the header ``Authorization``."""
    timeout_seconds: Interval = 10.0
    """One request."""
    per_minute: Count = 60
    """Messages that one tenant may send in a minute; the next one fails."""


class LookupSection(Section, frozen=True):
    """HTTP services that scripts look numbers up at, by ``api.lookup``."""

    services_file: Path | None = None
    """TOML with a table for each lookup (``asrplus``, ``tps``, ``nnpc``, ``hlr``, ``lrn``, ``ping``): ``url =
    "https://hlr.example/{number}"``, and the value of ``authorization`` where the service wants one. It may be on this
    machine's own side."""
    timeout_seconds: Interval = 5.0
    """One lookup."""
    per_minute: Count = 600
    """Lookups that one tenant may ask for in a minute; the next one fails."""


class OriginateSection(Section, frozen=True):
    """Calls that scripts place by ``cxOriginate`` and ``cxCallControl``."""

    servers_file: Path | None = None
    """TOML of the servers that scripts may place calls by, and for whom; see docs/host-modules.md. None: scripts place
    no calls."""
    socket: Path | None = Path("/run/scriptforge/platform.sock")
    """Path of the unix socket that the daemon has for the platform, where there is a ``servers_file``: what connects to
    it places and ends calls in the name of every tenant. Empty text for none: runs over HTTP place no calls."""
    socket_mode: OctalMode = "0600"
    """Permissions of that socket, octal: for the platform's own user alone, who is the daemon's as well."""
    socket_group: str = ""
    """Group that owns it, for a platform of another user, with the mode 0660; empty leaves the daemon's own."""
    calls_per_tenant: Count = 10
    """Calls at once that a tenant's scripts have placed; the next one fails."""
    per_minute: Count = 60
    """Calls that a tenant's scripts may place or transfer in a minute; the next one fails."""
    ring_seconds: Interval = 60.0
    """Each of the two parties has this long to answer."""
    longest_seconds: Interval = 7_200.0
    """A call that lasts longer is ended."""
