"""Where the configuration comes from: declared defaults, a TOML file over them, the environment over both."""

import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, get_type_hints

import msgspec

from sidecar.configuration.addresses import parse_sip_listen
from sidecar.configuration.section import Section
from sidecar.configuration.toml_source import TomlSource, TomlSyntaxError, parse_toml
from sidecar.configuration.tree import CatalogSection, Configuration, SipSection
from sidecar.configuration.typed_value import convert_value, is_text, unknown_key
from sidecar.errors import ConfigurationError
from sidecar.problem import Problem, Severity

DEFAULT_FILE: Final = Path("/etc/scriptforge/sidecar.toml")
"""Read when no other file is named, if it exists."""
VARIABLE_PREFIX: Final = "SCRIPTFORGE_"
VARIABLE_SEPARATOR: Final = "__"
DEFAULT_ORIGIN: Final = "default"
CLIENT_VARIABLES: Final = ("SCRIPTFORGE_API", "SCRIPTFORGE_TOKEN", "SCRIPTFORGE_SERVER", "SCRIPTFORGE_TENANT")
"""Of the commands that ask a server: no keys, and no mistake where a process has them too."""

LeafPath = tuple[str, ...]


class InvalidConfigurationError(ConfigurationError):
    """Everything that is wrong with a configuration, each with its file and line or its variable."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class LoadedConfiguration:
    """The effective configuration and where each of its values came from."""

    configuration: Configuration
    origins: Mapping[LeafPath, str]
    """``default``, ``file:line``, or the environment variable's name, for every key."""
    file: Path | None
    """The file that was read."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One declared key."""

    path: LeafPath
    declared: Any
    default: Any


@dataclass(frozen=True, slots=True)
class _Given:
    value: object
    origin: str
    line: int = 0
    column: int = 0
    is_variable: bool = False


@cache
def leaves() -> Sequence[Leaf]:
    """Every key of the tree in the order of its declaration."""
    return tuple(_leaves(Configuration, ()))


def _leaves(section: type[Section], path: LeafPath) -> Iterator[Leaf]:
    hints = get_type_hints(section, include_extras=True)
    for field in msgspec.structs.fields(section):
        declared = hints[field.name]
        if isinstance(declared, type) and issubclass(declared, Section):
            yield from _leaves(declared, (*path, field.name))
        else:
            yield Leaf((*path, field.name), declared, field.default)


def load_configuration(file: Path | None = None, environment: Mapping[str, str] = os.environ) -> LoadedConfiguration:
    """Loads ``file`` and the variables ``SCRIPTFORGE_SECTION__KEY``.

    Without ``file``, /etc/scriptforge/sidecar.toml is read if it exists.
    Raises InvalidConfigurationError with everything that is wrong at once.
    """
    if file is None and DEFAULT_FILE.exists():
        file = DEFAULT_FILE
    text = None if file is None else _read(file)
    return build_configuration(text, environment, file=file)


def build_configuration(
    text: str | None, environment: Mapping[str, str], *, file: Path | None = None
) -> LoadedConfiguration:
    """The configuration from the text of a file and an environment. Raises InvalidConfigurationError."""
    name = str(file) if file is not None else "configuration"
    sources = _Sources(name)
    if text is not None:
        try:
            source = parse_toml(text)
        except TomlSyntaxError as error:
            problem = Problem(name, error.line, error.column, Severity.ERROR, error.message)
            raise InvalidConfigurationError((problem,)) from error
        sources.read_table(source, source.data)
    sources.read_environment(environment)
    declared, given, problems = sources.declared, sources.given, sources.problems

    values: dict[LeafPath, Any] = {}
    for path, one in given.items():
        try:
            values[path] = convert_value(one.value, declared[path].declared)
        except ValueError as error:
            problems.append(_problem(one, name, path, str(error)))
    configuration: Configuration = _assemble(Configuration, (), values)
    if not problems:
        for paths, message in contradictions(configuration):
            # The defaults go together, so one of the keys at least was given.
            one = next(given[path] for path in paths if path in given)
            file_name = one.origin if one.is_variable else name
            problems.append(Problem(file_name, one.line, one.column, Severity.ERROR, message))
    if problems:
        raise InvalidConfigurationError(tuple(sorted(problems, key=lambda problem: (problem.file, problem.line))))
    origins = {path: given[path].origin if path in given else DEFAULT_ORIGIN for path in declared}
    return LoadedConfiguration(configuration, origins, file)


def contradictions(configuration: Configuration) -> Iterator[tuple[tuple[LeafPath, ...], str]]:
    """Keys that are each in order and do not go together, and why."""
    sandbox, socket, kamailio = configuration.sandbox, configuration.socket, configuration.kamailio
    if sandbox.worker_memory_bytes < sandbox.memory_bytes:
        keys = ("sandbox", "worker_memory_bytes"), ("sandbox", "memory_bytes")
        yield keys, "sandbox.worker_memory_bytes is less than sandbox.memory_bytes, the heap of one script"
    yield from _fewer_than_least(configuration)
    voice = configuration.voice
    if voice.call_worker_memory_bytes < voice.call_memory_bytes:
        keys = ("voice", "call_worker_memory_bytes"), ("voice", "call_memory_bytes")
        yield keys, "voice.call_worker_memory_bytes is less than voice.call_memory_bytes, the heap of one call's script"
    catalog = configuration.catalog
    if catalog.url is not None and catalog.directory != CatalogSection().directory:
        keys = ("catalog", "directory"), ("catalog", "url")
        yield keys, "catalog.directory and catalog.url: the catalog is in one of them"
    yield from _sip_contradictions(configuration.sip)
    if socket.tls_certificate is not None and socket.tls_key is None:
        yield (("socket", "tls_certificate"),), "socket.tls_certificate needs socket.tls_key"
    if socket.tls_key is not None and socket.tls_certificate is None:
        yield (("socket", "tls_key"),), "socket.tls_key needs socket.tls_certificate"
    platform = configuration.platform
    if platform.tls_certificate is not None and platform.tls_key is None:
        yield (("platform", "tls_certificate"),), "platform.tls_certificate needs platform.tls_key"
    if platform.tls_key is not None and platform.tls_certificate is None:
        yield (("platform", "tls_key"),), "platform.tls_key needs platform.tls_certificate"
    if configuration.mail.server is not None and not configuration.mail.sender:
        yield (("mail", "server"),), "mail.server needs mail.sender"
    if socket.tls_client_ca is not None and socket.tls_certificate is None:
        yield (("socket", "tls_client_ca"),), "socket.tls_client_ca needs socket.tls_certificate"
    if socket.tls_certificate is not None and not socket.tcp:
        yield (("socket", "tls_certificate"),), "socket.tls_certificate has no effect without socket.tcp"
    if kamailio.reconnect_max_seconds < kamailio.reconnect_min_seconds:
        keys = ("kamailio", "reconnect_max_seconds"), ("kamailio", "reconnect_min_seconds")
        yield keys, "kamailio.reconnect_max_seconds is less than kamailio.reconnect_min_seconds"


def _fewer_than_least(configuration: Configuration) -> Iterator[tuple[tuple[LeafPath, ...], str]]:
    """Pools that are to grow to fewer workers than they always have."""
    sandbox, platform, jobs = configuration.sandbox, configuration.platform, configuration.jobs
    for section, least, most, workers, grown in (
        ("sandbox", "workers", "most_workers", sandbox.workers, sandbox.most_workers),
        ("platform", "workers", "most_workers", platform.workers, platform.most_workers),
        ("jobs", "job_workers", "most_job_workers", jobs.job_workers, jobs.most_job_workers),
    ):
        if 0 < grown < workers:
            yield ((section, most), (section, least)), f"{section}.{most} is less than {section}.{least}"


def _sip_contradictions(sip: SipSection) -> Iterator[tuple[tuple[LeafPath, ...], str]]:
    if sip.tls_certificate is not None and sip.tls_key is None:
        yield (("sip", "tls_certificate"),), "sip.tls_certificate needs sip.tls_key"
    if sip.tls_key is not None and sip.tls_certificate is None:
        yield (("sip", "tls_key"),), "sip.tls_key needs sip.tls_certificate"
    listeners = [parse_sip_listen(text) for text in sip.listen]
    if sip.tls_certificate is None and any(listener.transport == "tls" for listener in listeners):
        yield (("sip", "listen"),), "sip.listen: tls needs sip.tls_certificate and sip.tls_key"
    places = [(listener.transport, listener.where) for listener in listeners if listener.where.port]
    for transport, where in dict.fromkeys(place for place in places if places.count(place) > 1):
        yield (("sip", "listen"),), f"sip.listen: {transport}:{where} is there twice"


def variable_name(path: LeafPath) -> str:
    """The environment variable of a key, such as SCRIPTFORGE_SANDBOX__WORKERS."""
    return VARIABLE_PREFIX + VARIABLE_SEPARATOR.join(path).upper()


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        raise InvalidConfigurationError((Problem(str(file), 0, 0, Severity.ERROR, message),)) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        message = "is not UTF-8 text from here on"
        raise InvalidConfigurationError((Problem(str(file), line, 1, Severity.ERROR, message),)) from error


class _Sources:
    """Gathers what the file and the environment give, and what neither may."""

    __slots__ = ("declared", "given", "name", "problems", "sections")

    def __init__(self, name: str) -> None:
        self.name = name
        self.declared = {leaf.path: leaf for leaf in leaves()}
        self.sections = {path[:length] for path in self.declared for length in range(1, len(path))}
        self.given: dict[LeafPath, _Given] = {}
        self.problems: list[Problem] = []

    def read_table(self, source: TomlSource, table: Mapping[str, Any], path: LeafPath = ()) -> None:
        for key, value in table.items():
            here = (*path, key)
            line, column = source.place(here)
            if here in self.declared:
                self.given[here] = _Given(value, f"{self.name}:{line}", line, column)
                continue
            if here in self.sections and isinstance(value, dict):
                self.read_table(source, value, here)
                continue
            dotted = ".".join(here)
            if here in self.sections:
                message = f"{dotted} is a section: write [{dotted}] and its keys below"
            else:
                message = unknown_key(dotted, sorted(".".join(one) for one in (*self.sections, *self.declared)))
            self.problems.append(Problem(self.name, line, column, Severity.ERROR, message))

    def read_environment(self, environment: Mapping[str, str]) -> None:
        by_name = {variable_name(path): leaf for path, leaf in self.declared.items()}
        for name, text in environment.items():
            if not name.startswith(VARIABLE_PREFIX) or name in CLIENT_VARIABLES:
                continue
            if name not in by_name:
                self.problems.append(Problem(name, 0, 0, Severity.ERROR, _unknown_variable(name, by_name)))
                continue
            leaf = by_name[name]
            try:
                self.given[leaf.path] = _Given(parse_variable(text, leaf.declared), name, is_variable=True)
            except ValueError as error:
                self.problems.append(Problem(name, 0, 0, Severity.ERROR, str(error)))


def _unknown_variable(name: str, known: Iterable[str]) -> str:
    given = name.removeprefix(VARIABLE_PREFIX)
    if given.strip("_").startswith("CONF"):
        return f"unknown key {name!r}: the configuration file is named by --config, and a variable is one key of it"
    # What all of them have in common would make any two of them alike.
    nearest = difflib.get_close_matches(given, [one.removeprefix(VARIABLE_PREFIX) for one in known], n=1, cutoff=0.75)
    return f"unknown key {name!r}" + (f"; did you mean {VARIABLE_PREFIX + nearest[0]!r}?" if nearest else "")


def parse_variable(text: str, declared: Any) -> object:
    """A variable's value: text as it stands, anything else as TOML writes it. Raises ValueError."""
    if is_text(declared):
        return text
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        table = {}
    if table.keys() != {"value"}:
        raise ValueError(f'expected a TOML value, such as 4, 0.5, true or ["a", "b"], got {text!r}')
    return table["value"]


def _problem(given: _Given, name: str, path: LeafPath, message: str) -> Problem:
    if given.is_variable:
        return Problem(given.origin, 0, 0, Severity.ERROR, message)
    return Problem(name, given.line, given.column, Severity.ERROR, f"{'.'.join(path)}: {message}")


@cache
def _hints(section: type[Section]) -> Mapping[str, Any]:
    return get_type_hints(section)


def _assemble(section: type[Section], path: LeafPath, values: Mapping[LeafPath, Any]) -> Any:
    arguments: dict[str, Any] = {}
    for name, declared in _hints(section).items():
        here = (*path, name)
        if isinstance(declared, type) and issubclass(declared, Section):
            arguments[name] = _assemble(declared, here, values)
        elif here in values:
            arguments[name] = values[here]
    return section(**arguments)
