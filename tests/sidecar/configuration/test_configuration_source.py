"""Configuration from a file and the environment: what is accepted, and the exact words for what is not."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.configuration.source import (
    InvalidConfigurationError,
    build_configuration,
    leaves,
    load_configuration,
    variable_name,
)
from sidecar.configuration.text import toml_value
from sidecar.configuration.tree import Configuration
from sidecar.errors import ConfigurationError
from sipio.host_port import HostPort

FILE = Path("sidecar.toml")


def complaints(text: str | None, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(InvalidConfigurationError) as caught:
        build_configuration(text, environment or {}, file=FILE)
    return [str(problem) for problem in caught.value.problems]


def test_nothing_given_is_the_declared_defaults() -> None:
    loaded = build_configuration(None, {"PATH": "/bin"})
    assert loaded.configuration == Configuration()
    assert set(loaded.origins.values()) == {"default"}


def test_the_environment_overrides_the_file_and_the_file_the_defaults() -> None:
    text = '[sandbox]\nworkers = 3\nqueue_bytes = 7_000_000\n[kamailio]\npeers = ["127.0.0.1:8448"]\n'
    loaded = build_configuration(text, {"SCRIPTFORGE_SANDBOX__WORKERS": "4"}, file=FILE)
    assert loaded.configuration.sandbox.workers == 4
    assert loaded.configuration.sandbox.queue_bytes == 7_000_000
    assert loaded.configuration.kamailio.peers == (HostPort("127.0.0.1", 8448),)
    assert loaded.origins["sandbox", "workers"] == "SCRIPTFORGE_SANDBOX__WORKERS"
    assert loaded.origins["sandbox", "queue_bytes"] == "sidecar.toml:3"
    assert loaded.origins["sandbox", "cpu_ms"] == "default"


@pytest.mark.parametrize(
    ("variable", "text", "path", "value"),
    [
        ("SCRIPTFORGE_SOCKET__TCP", "127.0.0.1:7000", ("socket", "tcp"), HostPort("127.0.0.1", 7000)),
        ("SCRIPTFORGE_SOCKET__TCP", "", ("socket", "tcp"), None),
        ("SCRIPTFORGE_SOCKET__UNIX", "", ("socket", "unix"), None),
        ("SCRIPTFORGE_SOCKET__UNIX", "/tmp/x", ("socket", "unix"), Path("/tmp/x")),
        ("SCRIPTFORGE_SOCKET__ALLOW", '["10.0.0.0/8"]', ("socket", "allow"), ("10.0.0.0/8",)),
        ("SCRIPTFORGE_SANDBOX__REQUIRE_CONFINEMENT", "false", ("sandbox", "require_confinement"), False),
        ("SCRIPTFORGE_LOG__DECISION_SAMPLE", "1", ("log", "decision_sample"), 1.0),
        ("SCRIPTFORGE_LOG__LEVEL", "debug", ("log", "level"), "debug"),
    ],
)
def test_values_of_variables(variable: str, text: str, path: tuple[str, str], value: object) -> None:
    configuration = build_configuration(None, {variable: text}).configuration
    assert getattr(getattr(configuration, path[0]), path[1]) == value


def test_empty_unix_in_the_file_is_none() -> None:
    assert build_configuration("[socket]\nunix = ''\n", {}).configuration.socket.unix is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "[sandbox]\nworkes = 3\n",
            "sidecar.toml:2:1: error: unknown key 'sandbox.workes'; did you mean 'sandbox.workers'?",
        ),
        ("workers = 3\n", "sidecar.toml:1:1: error: unknown key 'workers'; did you mean 'sandbox.workers'?"),
        ("[sandbx]\n", "sidecar.toml:1:1: error: unknown key 'sandbx'; did you mean 'sandbox'?"),
        ("zzz = 1\n", "sidecar.toml:1:1: error: unknown key 'zzz'"),
        (
            "sandbox = 1\n",
            "sidecar.toml:1:1: error: sandbox is a section: write [sandbox] and its keys below",
        ),
        (
            "[sandbox]\nworkers = 0\n",
            "sidecar.toml:2:1: error: sandbox.workers: expected a whole number >= 1, got 0",
        ),
        (
            "[sandbox]\nworkers = '4'\n",
            "sidecar.toml:2:1: error: sandbox.workers: expected a whole number, got text",
        ),
        (
            "[sandbox]\nworkers = true\n",
            "sidecar.toml:2:1: error: sandbox.workers: expected a whole number, got true or false",
        ),
        (
            "[log]\ndecision_sample = 1.5\n",
            "sidecar.toml:2:1: error: log.decision_sample: expected a number <= 1.0, got 1.5",
        ),
        (
            "[log]\ndecision_sample = nan\n",
            "sidecar.toml:2:1: error: log.decision_sample: expected a finite number, got nan",
        ),
        (
            "[log]\nlevel = 'loud'\n",
            "sidecar.toml:2:1: error: log.level: unknown word 'loud'; expected debug, info, warning, error",
        ),
        (
            "[decisions]\ntimeout_ms = 0\n",
            "sidecar.toml:2:1: error: decisions.timeout_ms: expected a whole number >= 1, got 0",
        ),
        (
            "[decisions]\nerror_action = '200 OK'\n",
            "sidecar.toml:2:1: error: decisions.error_action: expected 'continue' or a SIP answer from 300 "
            "to 699, such as '503 Script Timeout', got '200 OK'",
        ),
        (
            "[metrics]\nlisten = '9464'\n",
            "sidecar.toml:2:1: error: metrics.listen: expected host:port, such as 127.0.0.1:8448 or "
            "[::1]:8448, got '9464'",
        ),
        (
            "[metrics]\nlisten = 9464\n",
            "sidecar.toml:2:1: error: metrics.listen: expected text, got a whole number",
        ),
        (
            "[kamailio]\npeers = ['127.0.0.1:8448', '::1:8448']\n",
            "sidecar.toml:2:1: error: kamailio.peers: expected host:port, such as 127.0.0.1:8448 or "
            "[::1]:8448, got '::1:8448' (element 2)",
        ),
        (
            "[socket]\nunix_mode = '0999'\n",
            "sidecar.toml:2:1: error: socket.unix_mode: expected octal permissions, such as 0660, got '0999'",
        ),
        (
            "[socket]\nallow = ['10.0.0.1/8']\n",
            "sidecar.toml:2:1: error: socket.allow: expected a network, such as 10.0.0.0/8: "
            "10.0.0.1/8 has host bits set",
        ),
        (
            "[socket]\ntls_key = '/k'\n",
            "sidecar.toml:2:1: error: socket.tls_key needs socket.tls_certificate",
        ),
        (
            "[sandbox]\nworkers = 4\nmost_workers = 2\n",
            "sidecar.toml:3:1: error: sandbox.most_workers is less than sandbox.workers",
        ),
        (
            "[jobs]\njob_workers = 4\nmost_job_workers = 2\n",
            "sidecar.toml:3:1: error: jobs.most_job_workers is less than jobs.job_workers",
        ),
        (
            "[kamailio]\nreconnect_min_seconds = 10\n",
            "sidecar.toml:2:1: error: kamailio.reconnect_max_seconds is less than kamailio.reconnect_min_seconds",
        ),
        ("a = \n", "sidecar.toml:1:5: error: Invalid value"),
    ],
)
def test_the_words_for_what_is_wrong_in_the_file(text: str, complaint: str) -> None:
    assert complaints(text) == [complaint]


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        (
            "SCRIPTFORGE_SANDBOX_WORKERS",
            "4",
            "SCRIPTFORGE_SANDBOX_WORKERS: error: unknown key 'SCRIPTFORGE_SANDBOX_WORKERS'; "
            "did you mean 'SCRIPTFORGE_SANDBOX__WORKERS'?",
        ),
        (
            "SCRIPTFORGE_SANDBOX__WORKERS",
            "four",
            "SCRIPTFORGE_SANDBOX__WORKERS: error: expected a TOML value, such as 4, 0.5, true or "
            '["a", "b"], got \'four\'',
        ),
        (
            "SCRIPTFORGE_SANDBOX__WORKERS",
            "0",
            "SCRIPTFORGE_SANDBOX__WORKERS: error: expected a whole number >= 1, got 0",
        ),
        (
            "SCRIPTFORGE_SANDBOX__WORKERS",
            "1\nother = 2",
            "SCRIPTFORGE_SANDBOX__WORKERS: error: expected a TOML value, such as 4, 0.5, true or "
            '["a", "b"], got \'1\\nother = 2\'',
        ),
    ],
)
def test_the_words_for_what_is_wrong_in_the_environment(variable: str, value: str, complaint: str) -> None:
    assert complaints(None, {variable: value}) == [complaint]


def test_everything_wrong_is_said_at_once() -> None:
    found = complaints(
        "[sandbox]\nworkers = 0\nnope = 1\n[log]\nformat = 'xml'\n", {"SCRIPTFORGE_SANDBOX__QUEUE": "-1"}
    )
    assert len(found) == 4


@given(st.lists(st.sampled_from(leaves()), max_size=6))
def test_every_default_written_out_reads_back_from_file_and_environment(chosen: list[object]) -> None:
    text = ""
    environment = {}
    for leaf in leaves():
        name = variable_name(leaf.path)
        if leaf in chosen:
            environment[name] = toml_value(leaf.default)
            if environment[name].startswith('"'):
                environment[name] = json.loads(environment[name])
        else:
            text += f"{'.'.join(leaf.path)} = {toml_value(leaf.default)}\n"
    assert build_configuration(text, environment).configuration == Configuration()


@settings(max_examples=400)
@given(
    st.sampled_from([variable_name(leaf.path) for leaf in leaves()]),
    st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
)
def test_any_text_in_a_variable_is_a_value_or_a_complaint(name: str, text: str) -> None:
    try:
        build_configuration(None, {name: text})
    except ConfigurationError as error:
        assert str(error).startswith(name)  # noqa: PT017 - most texts are refused


@given(st.text(max_size=40))
def test_any_text_of_a_file_is_a_configuration_or_a_complaint(text: str) -> None:
    try:
        build_configuration(text, {})
    except ConfigurationError as error:
        assert str(error)  # noqa: PT017 - most texts are refused


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file or directory"):
        load_configuration(tmp_path / "none.toml", {})


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "sidecar.toml"
    file.write_bytes(b"[sandbox]\n# caf\xe9\n")
    with pytest.raises(ConfigurationError, match=r"sidecar.toml:2:1: error: is not UTF-8 text"):
        load_configuration(file, {})


def test_a_file_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "sidecar.toml"
    file.write_bytes(b"\xef\xbb\xbf[sandbox]\r\nworkers = 5\r\n")
    loaded = load_configuration(file, {})
    assert loaded.configuration.sandbox.workers == 5
    assert loaded.file == file


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("SCRIPTFORGE_CONFIG", ": the configuration file is named by --config, and a variable is one key of it"),
        ("SCRIPTFORGE_CONF_FILE", ": the configuration file is named by --config, and a variable is one key of it"),
        ("SCRIPTFORGE__CONFIG", ": the configuration file is named by --config, and a variable is one key of it"),
        ("SCRIPTFORGE_ANYTHING", ""),
        ("SCRIPTFORGE_SANDBOX_WORKERS", "; did you mean 'SCRIPTFORGE_SANDBOX__WORKERS'?"),
        ("SCRIPTFORGE_LOG__LEVELS", "; did you mean 'SCRIPTFORGE_LOG__LEVEL'?"),
    ],
)
def test_a_variable_that_is_none(name: str, hint: str) -> None:
    with pytest.raises(InvalidConfigurationError) as caught:
        build_configuration(None, {name: "1"})
    assert str(caught.value) == f"{name}: error: unknown key {name!r}{hint}"
