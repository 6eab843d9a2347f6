"""The one typed configuration tree; sections of what scripts' modules work with stand in `host_sections`. Each key is
documented by the text under it, and nowhere else."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.host_sections import (
    LimitsSection,
    LookupSection,
    MailSection,
    ModulesSection,
    OriginateSection,
    OutgoingSection,
    RestSection,
    SharedSection,
    SmsSection,
    StorageSection,
)
from sidecar.configuration.section import Count, Duration, Interval, Section
from sidecar.configuration.typed_value import ActionText, HostText, Network, OctalMode, PortRange, SipListenText
from sipio.host_port import HostPort

DigestAlgorithm = Literal["SHA-256", "MD5"]


class SandboxSection(Section, frozen=True):
    """The processes that run scripts."""

    workers: Annotated[int, Meta(ge=1, le=1_024)] = 2
    """Worker processes for scripts that answer quickly. One for each core that may be spent on scripts."""
    most_workers: Annotated[int, Meta(ge=0, le=1_024)] = 0
    """So many of them while the load needs them: one more is started as soon as three quarters of them are busy. 0 for
    ``workers`` at all times."""
    idle_seconds: Interval = 60.0
    """A worker that was started for load, here or for HTTP, jobs or calls, is stopped once so long there was one too
    many."""
    slow_workers: Annotated[int, Meta(ge=0, le=1_024)] = 1
    """Worker processes set apart for scripts lately seen to run long, so that they delay only each other."""
    require_confinement: bool = True
    """Refuse to start where the kernel or the container refuses seccomp. False runs workers unconfined and
    warns."""
    memory_bytes: Annotated[int, Meta(ge=1_000_000)] = 100_000_000
    """JavaScript heap of one script, unless the script's own entry says otherwise."""
    worker_memory_bytes: Annotated[int, Meta(ge=1_000_000)] = 2_000_000_000
    """Memory of one worker process beside the heap of the script that it runs: its loaded programs and waiting
    runs."""
    cpu_ms: Count = 2_000
    """Processor time of one run; the run's wall-clock timeout bounds it as well."""
    stall_ms: Count = 20
    """After this long in one run a worker counts as stalled: what waits behind it is moved elsewhere."""
    result_bytes: Count = 1_000_000
    """The largest result a script may return, as MessagePack, which is a fifth shorter than JSON."""
    log_bytes: Annotated[int, Meta(ge=0)] = 16_384
    """Console output kept of one run; what is past it is cut, and the cut is said."""
    queue_bytes: Annotated[int, Meta(ge=1_000_000)] = 256_000_000
    """What runs without an answer may hold in all, by their inputs and 6,000 bytes each; each waits as long as its own
    time allows. One script's runs for one customer may hold half of what others leave free; the next one is refused at
    once, others' are not."""


class SocketSection(Section, frozen=True):
    """The MessagePack-RPC sockets that a switch connects to."""

    unix: Path | None = Path("/run/scriptforge/scriptforge.sock")
    """Path of the unix socket; empty text for none."""
    unix_mode: OctalMode = "0660"
    """Permissions of the unix socket, octal."""
    unix_group: str = ""
    """Group that owns the unix socket; empty leaves the daemon's own."""
    tcp: HostPort | None = None
    """``host:port`` to listen on; empty for none."""
    allow: tuple[Network, ...] = ("127.0.0.0/8", "::1/128")
    """Networks whose TCP connections are accepted; any other is closed at once."""
    tls_certificate: Path | None = None
    """PEM certificate chain: with it and the key, TCP is TLS."""
    tls_key: Path | None = None
    """PEM private key of that certificate."""
    tls_client_ca: Path | None = None
    """PEM bundle: with it, a TCP client must show a certificate signed by one of these."""
    frame_bytes: Count = 1_048_576
    """The longest MessagePack message accepted. A decision is 2 to 10 KB."""
    connections: Count = 256
    """Connections open at once over all sockets; the next one is closed at once."""
    in_flight_per_connection: Count = 4_096
    """Requests of one connection being worked on; the next one is refused with the error ``overloaded``."""
    in_flight: Count = 16_384
    """Requests of all connections being worked on; the next one is refused with the error ``overloaded``."""
    idle_seconds: Duration = 0.0
    """A connection with no request for this long is closed; 0 never closes it."""
    partial_frame_seconds: Interval = 5.0
    """A message begun but not completed in this time closes its connection."""
    output_bytes: Count = 8_388_608
    """Answers a peer has not read; past it the connection is closed, since a peer must read."""


class KamailioSection(Section, frozen=True):
    """The Kamailios whose evapi socket the sidecar connects to."""

    peers: tuple[HostPort, ...] = ()
    """``host:port`` of each Kamailio's evapi."""
    reconnect_min_seconds: Interval = 0.1
    """The first wait after a lost connection; each failure doubles it, with jitter."""
    reconnect_max_seconds: Interval = 5.0
    """The longest wait between attempts."""
    frame_bytes: Count = 262_144
    """The longest netstring accepted from a Kamailio: a SIP message of 64 KB in base64 and its fields."""
    in_flight: Count = 4_096
    """Calls of one Kamailio being decided; the next one is answered with ``fallback`` at once: Kamailio routes it by
    itself, or refuses it with 503 where it has SCRIPTFORGE_FAIL_CLOSED."""


class CatalogSection(Section, frozen=True):
    """Where scripts and assignments are read from: a directory, or a database where ``url`` names one."""

    directory: Path = Path("/etc/scriptforge")
    """Holds ``assignments.toml`` and ``scripts``."""
    url: DatabaseUrl | None = None
    """``sqlite:////var/lib/scriptforge/platform.db``, ``postgresql://user:password@host/name`` or
    ``mysql://user:password@host/name``; empty text for the directory. See docs/databases.md."""
    poll_seconds: Interval = 0.5
    """How often the database is asked whether something has changed."""
    watch: bool = True
    """Reload when a file changes. SIGHUP reloads in any case."""
    watch_seconds: Interval = 1.0
    """How often the files are looked at."""
    script_bytes: Count = 1_000_000
    """The largest script file accepted."""
    last_good: Path | None = Path("/var/lib/scriptforge/last-good")
    """Where the last version of each file that was right is kept: it serves where the file is broken, also after a
    start. Of a database it is a copy of what was last read, for a start at which that cannot be asked. The folder that
    it is in must be there; empty text keeps them only while the daemon runs."""


class DecisionSection(Section, frozen=True):
    """What applies to every decision where its assignment does not say otherwise."""

    timeout_ms: Count = 2_000
    """Time for one script, from the request to its outcome."""
    timeout_action: ActionText = "503 Script Timeout"
    """A SIP answer, or ``continue`` with the switch's own decision."""
    error_action: ActionText = "continue"
    """What a script failure gives: a SIP answer, or ``continue`` with the switch's own decision."""
    total_timeout_ms: Count = 5_000
    """Time for all the scripts of one decision together."""


class KeptSection(Section, frozen=True):
    """Decisions and calls kept whole, each in a file that ``scriptforge run --repeat`` runs again exactly."""

    directory: Path | None = None
    """Where those are kept in which a script failed; empty text keeps none. A file has the call, the scripts that ran
    with their vars, and the answers that they got: it is for those who may see them all."""
    scripts: tuple[str, ...] = ()
    """Ids of scripts all of whose decisions and calls are kept, whatever came of them."""
    files: Count = 1_000
    """The most files; the oldest goes first. Of one script no more than one a second is written."""


class VoiceSection(Section, frozen=True):
    """Class 5: scripts that drive calls."""

    call_workers: Annotated[int, Meta(ge=0, le=1_024)] = 32
    """The most worker processes for the scripts of calls, apart from those that decide; 0 takes no Class 5 calls. One
    is started at first, and one more, of 12 MB, for each customer who has a call up; where there are more customers
    than these, some share one."""
    calls: Count = 2_000
    """Calls up at once; the next one is refused with 503 and Retry-After."""
    call_memory_bytes: Annotated[int, Meta(ge=1_000_000)] = 20_000_000
    """JavaScript heap of one call's script, unless the script's own entry says otherwise."""
    call_worker_memory_bytes: Annotated[int, Meta(ge=1_000_000)] = 4_000_000_000
    """Address space of one of these workers, over all its calls. A waiting call takes about 0.3 MB."""
    call_actions: Count = 100_000
    """What a script may ask of one call (actions, log lines, waits) before it is ended with an error, as it is in a
    loop without end: seven a second through the longest call, and some ten seconds' work of a core."""
    longest_call_seconds: Interval = 14_400.0
    """A call that lasts longer is ended."""
    bridge_seconds: Interval = 60.0
    """Each destination of a bridge has this long to answer."""
    grace_seconds: Duration = 10.0
    """What a script has to finish its bookkeeping once its call has ended."""
    drain_seconds: Duration = 30.0
    """On SIGTERM calls that are up have this long before they are ended."""
    sounds: Path = Path("/var/lib/scriptforge/sounds")
    """``user/x.wav`` of a script is CUSTOMER/x.wav below it, ``ivr/x.wav`` is ivr/x.wav for all."""
    recordings: Path = Path("/var/lib/scriptforge/recordings")
    """Recordings are written to CUSTOMER/NAME.wav below it, none over another."""
    cache: Path = Path("/var/lib/scriptforge/cache")
    """What was spoken and fetched before."""
    records: Path | None = Path("/var/lib/scriptforge/calls")
    """Call records of the last days, for ``scriptforge calls show``; empty text keeps none."""
    records_days: Count = 7
    """How long they are kept."""


class SipSection(Section, frozen=True):
    """The embedded SIP user agent: calls without a switch."""

    listen: tuple[SipListenText, ...] = ()
    """``udp:host:port``, ``tcp:host:port`` or ``tls:host:port``; none switches the agent off. Each network has a
    listener of its own, by whose address its peers know us, in SIP and for audio. Behind NAT it is
    ``udp:10.0.0.5:5060 advertise 203.0.113.7``."""
    advertised_host: HostText = ""
    """IP address or name that peers know this machine by, for the listeners (of its address family) that advertise
    none; empty for the address listened on."""
    accounts: Path | None = None
    """TOML file of the phones that may register and of the trunks; see docs/voice.md. Holds passwords."""
    digest_algorithms: Annotated[tuple[DigestAlgorithm, ...], Meta(min_length=1)] = ("SHA-256", "MD5")
    """What phones that log in are challenged with, in this order: the first that a phone knows is taken. A ``[[user]]``
    of the accounts may have ``algorithms`` of its own."""
    digest_without_qop: bool = False
    """Whether phones may answer a challenge as before RFC 2617, without ``qop``. Each such answer is good for one
    request, and no cnonce of the phone's is in it. Better set ``without_qop`` at the ``[[user]]`` who needs it."""
    tls_certificate: Path | None = None
    """PEM certificate chain for ``tls:``."""
    tls_key: Path | None = None
    """PEM private key of that certificate."""
    rtp_ports: PortRange = "20000-29999"
    """UDP ports for audio, at the address of the listener that a call came by or leaves from."""
    ring_seconds: Interval = 180.0
    """A call that its script has not answered by then is ended with 480."""
    media_timeout_seconds: Duration = 60.0
    """A call whose other end has given no sign of life for this long is ended: no RTP, RTCP or keep-alive, and no
    SIP. 0 never ends it."""
    session_expires_seconds: Annotated[int, Meta(ge=0)] = 1_800
    """Interval of session timers (RFC 4028); 0 for none."""
    speech_command: tuple[str, ...] = ("espeak-ng", "--stdout", "-v", "{voice}", "--stdin")
    """Writes the WAV of a text to standard output. ``{voice}`` and ``{text}`` are filled in, without a shell; without
    ``{text}`` the text is on its standard input."""
    speech_voice: str = "en"
    """Voice where the script names none."""
    sip_uris: bool = True
    """Whether scripts may bridge to any SIP address; False leaves registered phones and trunks."""
    country: str = "eu"
    """Whose ringing tone callers hear."""


class FreeswitchSection(Section, frozen=True):
    """The outbound event socket that FreeSWITCH connects to."""

    listen: HostPort | None = None
    """``host:port``; empty for none."""
    allow: tuple[Network, ...] = ("127.0.0.0/8", "::1/128")
    """Networks whose connections are accepted."""
    sip_dial: str = "sofia/internal/{uri}"
    """Dial string of a bridge to ``sip:user@host``."""
    user_dial: str = "user/{user}"
    """Dial string of a bridge to ``user/NAME``."""
    trunk_dial: str = "sofia/gateway/{trunk}/{number}"
    """Dial string of a bridge to ``trunk/NAME/NUMBER``."""
    default_trunk: str = "default"
    """The gateway of a bare number."""
    speech: str = ""
    """``engine|voice`` of a speech engine loaded into FreeSWITCH; empty has texts spoken into files here."""
    url_prefix: str = ""
    """Put before an http address to have FreeSWITCH fetch it; empty has it fetched here."""
    event_socket: HostPort | None = None
    """``host:port`` of FreeSWITCH's own event socket, by which scripts place calls; empty for none."""
    event_socket_password_file: Path | None = None
    """File whose first line is its password."""
    callback: HostPort | None = None
    """Where FreeSWITCH connects to with a call that was placed and is answered; empty for ``listen``."""


class MetricsSection(Section, frozen=True):
    """Prometheus metrics."""

    listen: HostPort | None = HostPort("127.0.0.1", 9464)
    """``host:port`` of the metrics page; empty for none."""
    scripts: Annotated[int, Meta(ge=0, le=10_000)] = 200
    """Scripts that have counters of their own, for decisions and for calls; the others are counted together, as
    ``other``. Each costs a page 0.02 ms of the event loop."""


class PlatformSection(Section, frozen=True):
    """The platform process, ``scriptforge platform``: the HTTP API, and runs over HTTP. See docs/http-api.md."""

    listen: HostPort = HostPort("127.0.0.1", 8080)
    """``host:port`` to listen on."""
    metrics: HostPort | None = HostPort("127.0.0.1", 9465)
    """``host:port`` of this process's metrics page; empty for none."""
    tls_certificate: Path | None = None
    """PEM certificate chain: with it and the key, HTTP is HTTPS."""
    tls_key: Path | None = None
    """PEM private key of that certificate."""
    trusted_proxies: tuple[Network, ...] = ()
    """Networks of the proxies whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may ask, such as ``https://portal.example``; without any, no other site's may."""
    connections: Count = 1_000
    """Connections open at once; the next request is answered with 503."""
    body_bytes: Count = 8_000_000
    """The longest request body: the longest script with every character as a JSON escape, or 5 MB of files."""
    request_seconds: Interval = 30.0
    """A connection on which no request's head has come in this time is closed, and so is one whose body has not."""
    requests_a_second: Count = 100
    """Of one token, or without one of one address; the next one is answered with 429."""
    public_runs_a_second: Count = 30
    """Runs without a token, of one address; the next one is answered with 429."""
    tenant_runs_a_second: Count = 2_000
    """Runs of one tenant's scripts; the next one is answered with 429."""
    tenant_runs_at_once: Count = 200
    """The same of runs under way, those with a web socket among them."""
    workers: Annotated[int, Meta(ge=1, le=1_024)] = 2
    """Worker processes for runs over HTTP."""
    most_workers: Annotated[int, Meta(ge=0, le=1_024)] = 0
    """So many of them while the load needs them, as ``sandbox.most_workers``; 0 for ``workers`` at all times."""
    memory_bytes: Annotated[int, Meta(ge=1_000_000)] = 50_000_000
    """JavaScript heap of one run, unless the script's own entry says otherwise."""
    worker_memory_bytes: Annotated[int, Meta(ge=1_000_000)] = 4_000_000_000
    """Address space of one of these workers, over all its runs."""
    run_seconds: Interval = 30.0
    """Time of one run; of its processor time ``sandbox.cpu_ms``."""
    driver_seconds: Interval = 30.0
    """Time of one function of a Driver."""
    socket_seconds: Interval = 14_400.0
    """The longest that a run with a web socket lasts."""
    logs: Path | None = Path("/var/lib/scriptforge/script-logs")
    """Where it is kept what scripts wrote in runs over HTTP, a folder for each tenant; empty text keeps nothing."""
    log_bytes: Annotated[int, Meta(ge=10_000)] = 10_000_000
    """Kept of one tenant."""
    log_days: Count = 7
    """How long it is kept."""
    drain_seconds: Duration = 5.0
    """On SIGTERM what is under way has this long to be answered."""


class JobsSection(Section, frozen=True):
    """Jobs: what scripts and the API ask to be done later. The platform process runs them, in workers of their own;
    they are in the catalog's database. See docs/jobs.md."""

    job_workers: Annotated[int, Meta(ge=0, le=1_024)] = 1
    """Worker processes for jobs; 0 for a platform that runs none."""
    most_job_workers: Annotated[int, Meta(ge=0, le=1_024)] = 0
    """So many of them while the load needs them, as ``sandbox.most_workers``; 0 for ``job_workers`` at all times."""
    at_once: Count = 50
    """Jobs under way in one platform; most of them wait for something."""
    tenant_at_once: Annotated[int, Meta(ge=0)] = 20
    """Jobs of one tenant under way on all machines, so that long ones leave room for others'; 0 for no limit."""
    script_at_once: Annotated[int, Meta(ge=0)] = 0
    """The same of one script; 0 for no limit."""
    run_seconds: Interval = 300.0
    """Time of one attempt; of its processor time ``sandbox.cpu_ms``."""
    memory_bytes: Annotated[int, Meta(ge=1_000_000)] = 50_000_000
    """JavaScript heap of one run, unless the script's own entry says otherwise."""
    worker_memory_bytes: Annotated[int, Meta(ge=1_000_000)] = 4_000_000_000
    """Address space of one of these workers, over all its runs."""
    lease_seconds: Annotated[float, Meta(ge=1)] = 30.0
    """A job whose process has died is given to another one after this time; it is renewed at a third of it."""
    poll_seconds: Interval = 0.25
    """How often it is looked for jobs that another process has added, or that have become due."""
    run_attempts: Annotated[int, Meta(ge=1, le=100)] = 3
    """Of a run over HTTP that nobody waits for (``Prefer: respond-async``), where whoever asks prefers no other
    number."""
    run_backoff_ms: Annotated[int, Meta(ge=0, le=86_400_000)] = 5_000
    """After the first of them that has failed; after each further one twice as long, a day at most."""
    keep_seconds: Count = 86_400
    """How long the result of a job is kept that says nothing itself."""
    keep_failed_seconds: Count = 2_592_000
    """How long a job is kept that has failed for good."""
    jobs_per_tenant: Annotated[int, Meta(ge=0)] = 1_000_000
    """Jobs kept, those that are over among them; 0 for no limit."""
    bytes_per_tenant: Annotated[int, Meta(ge=0)] = 1_000_000_000
    """Of what they are given and what they give; 0 for no limit."""
    drain_seconds: Duration = 10.0
    """On SIGTERM jobs under way have this long to end; what has not is run again by whoever takes it."""


class SchedulesSection(Section, frozen=True):
    """Schedules: functions that are run at named times, each run a job. Every platform looks after them. See
    docs/schedules.md."""

    poll_seconds: Interval = 0.5
    """How often it is looked for what is due, and for what another process has changed."""
    per_tenant: Annotated[int, Meta(ge=0)] = 1_000
    """Schedules of one tenant, those that are paused among them; 0 for no limit."""
    least_seconds: Annotated[int, Meta(ge=0)] = 60
    """Between two due times of one schedule; cron has no less than 60."""


class MailboxesSection(Section, frozen=True):
    """Workers, the kind of scripts that take messages one by one. The platform process runs them, in the workers of
    its jobs. See docs/workers.md."""

    at_once: Count = 100
    """Workers that live in one platform; most of them wait for a message."""
    message_seconds: Interval = 60.0
    """Time of one message; of its processor time ``sandbox.cpu_ms``."""
    attempts: Annotated[int, Meta(ge=1, le=100)] = 5
    """So often a Worker may fail on a message before that is a dead letter."""
    idle_seconds: Interval = 300.0
    """A Worker without a message for so long ends: the next one begins it anew."""
    lease_seconds: Annotated[float, Meta(ge=1)] = 30.0
    """A Worker whose process has died is begun in another one after this time; it is renewed at a third of it."""
    poll_seconds: Interval = 0.25
    """How often it is looked for messages that another process has sent."""
    messages_per_tenant: Annotated[int, Meta(ge=0)] = 100_000
    """Messages kept, the dead ones among them; 0 for no limit."""
    drain_seconds: Duration = 10.0
    """On SIGTERM Workers have this long to come to the end of a message; else it is given again."""


class WebhooksSection(Section, frozen=True):
    """What webhooks are told: each time a job of the platform's own, by what scripts may reach (``outgoing``). See
    docs/webhooks.md."""

    timeout_seconds: Interval = 15.0
    """In which a receiver has to answer."""
    attempts: Annotated[int, Meta(ge=1, le=100)] = 16
    """After so many in vain it is a dead letter."""
    backoff_ms: Annotated[int, Meta(ge=1, le=86_400_000)] = 5_000
    """After the first attempt in vain; after each further one twice as long, a day at most."""
    keep_seconds: Count = 3_600
    """How long it is shown what was told; what was not is kept for ``jobs.keep_failed_seconds``."""
    previous_secret_seconds: Annotated[int, Meta(ge=0)] = 86_400
    """How long what is sent is signed with the secret before as well, after a new one was made."""


class LogSection(Section, frozen=True):
    """Structured logs, one JSON object a line, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """debug, info, warning or error."""
    format: Literal["json", "text"] = "json"
    """json, or text for a terminal."""
    decision_sample: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Share of the decision records with outcome returned or unassigned that are written, 0 to 1. All others
    are written."""


class ShutdownSection(Section, frozen=True):
    """SIGTERM. Calls that scripts drive have ``voice.drain_seconds`` first, in which decisions go on."""

    drain_seconds: Duration = 5.0
    """No new request is taken; those being worked on have this long to be answered. With ``hand_over``: how long to
    look for a moment in which none is."""
    hand_over: bool = False
    """Give the sockets of switches to systemd for the process that a restart starts, so that what is asked meanwhile
    waits for that one. The unit must keep them (FileDescriptorStoreMax=); the shipped one does, and sets this."""


class Configuration(Section, frozen=True):
    """Everything."""

    sandbox: SandboxSection = SandboxSection()
    socket: SocketSection = SocketSection()
    kamailio: KamailioSection = KamailioSection()
    catalog: CatalogSection = CatalogSection()
    decisions: DecisionSection = DecisionSection()
    kept: KeptSection = KeptSection()
    voice: VoiceSection = VoiceSection()
    sip: SipSection = SipSection()
    freeswitch: FreeswitchSection = FreeswitchSection()
    storage: StorageSection = StorageSection()
    shared: SharedSection = SharedSection()
    limits: LimitsSection = LimitsSection()
    outgoing: OutgoingSection = OutgoingSection()
    modules: ModulesSection = ModulesSection()
    mail: MailSection = MailSection()
    sms: SmsSection = SmsSection()
    rest: RestSection = RestSection()
    lookup: LookupSection = LookupSection()
    originate: OriginateSection = OriginateSection()
    metrics: MetricsSection = MetricsSection()
    platform: PlatformSection = PlatformSection()
    jobs: JobsSection = JobsSection()
    schedules: SchedulesSection = SchedulesSection()
    mailboxes: MailboxesSection = MailboxesSection()
    webhooks: WebhooksSection = WebhooksSection()
    log: LogSection = LogSection()
    shutdown: ShutdownSection = ShutdownSection()
