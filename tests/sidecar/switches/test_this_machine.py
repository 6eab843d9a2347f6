"""What a configuration names is looked at as it will be used: by check, by config, and at the start."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sidecar.configuration.source import InvalidConfigurationError, build_configuration
from sidecar.problem import Severity
from sidecar.switches.this_machine import require_usable, unusable

RUN: Any = {"capture_output": True, "text": True, "timeout": 60}
SCRIPTFORGE = str(Path(sys.executable).with_name("scriptforge"))


def found(text: str) -> list[tuple[int, str, str]]:
    loaded = build_configuration(text, {}, file=Path("sidecar.toml"))
    return [(problem.line, problem.severity.value, problem.message) for problem in unusable(loaded)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[sip]\nlisten = ["udp:192.0.2.1:5060"]', "sip.listen: udp:192.0.2.1:5060: 192.0.2.1 cannot be listened on: "),
        ('[sip]\nlisten = ["tcp:no.invalid:5060"]', "sip.listen: tcp:no.invalid:5060: no.invalid cannot be resolved: "),
        ('[socket]\ntcp = "192.0.2.1:1"', "socket.tcp: 192.0.2.1 cannot be listened on: "),
        ('[freeswitch]\nlisten = "192.0.2.1:1"', "freeswitch.listen: 192.0.2.1 cannot be listened on: "),
        ('[metrics]\nlisten = "no.invalid:1"', "metrics.listen: no.invalid cannot be resolved: "),
        ('[kamailio]\npeers = ["127.0.0.1:0"]', "kamailio.peers: 127.0.0.1:0: port 0 is nobody's"),
        ('[socket]\nunix = "/"', "socket.unix: / is a directory"),
        (f'[socket]\nunix = "/{"x" * 107}"', f"socket.unix: /{'x' * 107} is too long"),
        ('[socket]\nunix = "/etc/passwd"', "socket.unix: /etc/passwd exists and is no socket"),
        ('[originate]\nsocket = "/etc/passwd"', "originate.socket: /etc/passwd exists and is no socket"),
        ('[originate]\nsocket_group = "no such"', "originate.socket_group: there is no group 'no such'"),
        ('[socket]\nunix_group = "no such"', "socket.unix_group: there is no group 'no such'"),
        (
            '[sip]\ntls_key = "/none.key"\ntls_certificate = "/none.pem"',
            "sip.tls_certificate: /none.pem: No such file or directory",
        ),
        (
            '[socket]\ntcp = "127.0.0.1:0"\ntls_certificate = "/etc/passwd"\ntls_key = "/etc/passwd"',
            "socket.tls_certificate: /etc/passwd and /etc/passwd cannot be used: ",
        ),
        ('[mail]\nsender = "nobody"', "mail.sender: 'nobody' is not an address of mail"),
        ('[mail]\nsender = "a@x.example, b@x.example"', "mail.sender: expected one address, such as "),
        ('[mail]\npassword_file = "/none"', "mail.password_file: /none: "),
        ('[sms]\nauthorization_file = "/none"', "sms.authorization_file: /none: "),
        ('[rest]\nusers_file = "/none"', "rest.users_file: /none: "),
        ('[lookup]\nservices_file = "/none"', "lookup.services_file: /none: "),
        ('[lookup]\nservices_file = "/etc/passwd"', "lookup.services_file: /etc/passwd: "),
        ('[rest]\nusers_file = "/etc/passwd"', "rest.users_file: /etc/passwd: "),
        (
            '[shared]\nurl = "rediss://127.0.0.1?tls_ca=/nowhere.pem"',
            "shared.url: /nowhere.pem: No such file or directory",
        ),
    ],
)
def test_what_cannot_be_used_is_named_by_its_key_and_line(text: str, message: str) -> None:
    [(line, severity, said)] = found(text)
    assert said.startswith(message)
    assert severity == Severity.ERROR.value
    assert text.splitlines()[line - 1].startswith(message.partition(":")[0].partition(".")[2])
    with pytest.raises(InvalidConfigurationError, match=r"^sidecar\.toml:"):
        require_usable(build_configuration(text, {}, file=Path("sidecar.toml")))


@pytest.mark.parametrize(
    "text",
    [
        "",
        '[sip]\nlisten = ["udp:localhost:5060", "tcp:127.0.0.1:5060"]\n[metrics]\nlisten = "localhost:1"',
        '[socket]\nunix = ""',
        '[mail]\nserver = "127.0.0.1:25"\nsender = "Scripts <scripts@carrier.example>"',
        '[sms]\nurl = "https://sms.example/send?account=7"\n[rest]\nurl = "http://127.0.0.1:8090/api"',
        '[shared]\nurl = "valkey://:secret@127.0.0.1:1/3"',
        '[shared]\nurl = "unix:///run/nowhere/valkey.sock"',
        f'[storage]\nurl = "sqlite:////{"x" * 20}/platform.db"',
    ],
)
def test_what_can_be_used_is_not_complained_of(text: str) -> None:
    assert found(text) == []


def test_what_may_still_come_about_is_a_warning() -> None:
    text = '[kamailio]\npeers = ["no.invalid:1"]\n[socket]\nunix = "/run/none/s"\n[sip]\nspeech_command = ["none-such"]'
    text += '\n[shared]\nurl = "redis://no.invalid"'
    text += '\n[voice]\nsounds = "/etc/passwd"\nrecordings = "/etc/passwd"\nrecords = "/etc/passwd"'
    assert {severity for _, severity, _ in found(text)} == {Severity.WARNING.value}
    assert len(found(text)) == 7
    require_usable(build_configuration(text, {}))


def test_a_variable_is_named_in_place_of_a_line() -> None:
    loaded = build_configuration(None, {"SCRIPTFORGE_METRICS__LISTEN": "no.invalid:1"})
    [problem] = unusable(loaded)
    assert (problem.file, problem.line) == ("SCRIPTFORGE_METRICS__LISTEN", 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[sip]\nlisten = ["udp:*:5060"]', "sip.listen: expected an address or a name, such as 0.0.0.0"),
        ('[sip]\nlisten = ["5060"]', "sip.listen: expected udp:host:port, tcp:host:port or tls:host:port, got '5060'"),
        ('[sip]\nlisten = ["udp:999.1.1.1:5060"]', "sip.listen: expected an IP address or a host name"),
        ('[sip]\nlisten = ["udp:127.0.0.1:5060 as x"]', "sip.listen: expected udp:host:port"),
        (
            '[sip]\nlisten = ["udp:127.0.0.1:5060", "udp:127.0.0.1:5060"]',
            "sip.listen: udp:127.0.0.1:5060 is there twice",
        ),
        ('[sip]\nlisten = ["tls:127.0.0.1:5061"]', "sip.listen: tls needs sip.tls_certificate and sip.tls_key"),
        ('[sip]\nrtp_ports = "1-2"', "sip.rtp_ports: '1-2' is no range of ports between 1024 and 65535"),
        ('[sip]\nadvertised_host = "sip:x"', "sip.advertised_host: expected an IP address or a host name"),
        ('[sms]\nurl = "sms.example/send"', "sms.url: expected http://HOST/... or https://HOST/..., got 'sms.exam"),
        ('[rest]\nurl = "ftp://switch.example"', "rest.url: expected http://HOST/... or https://HOST/..., got 'ftp:"),
        ('[rest]\nurl = "http://[::1"', "rest.url: expected http://HOST/... or https://HOST/..., got 'http://[::1'"),
        ('[rest]\nurl = "http://x:port/"', "rest.url: expected http://HOST/... or https://HOST/..., got 'http://x:p"),
        ('[mail]\nserver = "127.0.0.1:25"', "mail.server needs mail.sender"),
        ('[sip]\ntls_key = "/k"', "sip.tls_key needs sip.tls_certificate"),
        (
            "[voice]\ncall_worker_memory_bytes = 10_000_000",
            "voice.call_worker_memory_bytes is less than voice.call_memory_bytes",
        ),
    ],
)
def test_what_can_be_used_nowhere_is_refused_on_reading(text: str, message: str) -> None:
    with pytest.raises(InvalidConfigurationError) as refused:
        build_configuration(text, {}, file=Path("sidecar.toml"))
    [problem] = refused.value.problems
    assert problem.message.startswith(message)
    assert problem.line == 2


@pytest.mark.parametrize(("command", "status"), [("check", 4), ("config", 1), ("serve", 1)])
def test_each_command_says_the_same_before_anything_is_begun(command: str, status: int, tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "assignments.toml").touch()
    file = tmp_path / "sidecar.toml"
    file.write_text(
        f'[socket]\nunix = "{tmp_path}/s"\n[catalog]\ndirectory = "{tmp_path}"\n'
        '[sip]\nlisten = ["udp:no.invalid:5060"]\n'
    )
    ran = subprocess.run([SCRIPTFORGE, command, "--config", str(file)], check=False, **RUN)
    assert ran.returncode == status
    assert (
        f"{file}:6:1: error: sip.listen: udp:no.invalid:5060: no.invalid cannot be resolved: "
        in ran.stdout + ran.stderr
    )
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("section", ["socket.tcp", "freeswitch.listen", "metrics.listen", "sip.listen"])
def test_an_address_that_is_taken_is_said_with_its_key(section: str, tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "assignments.toml").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        name = "SCRIPTFORGE_" + section.upper().replace(".", "__")
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("SCRIPTFORGE_")},
            "SCRIPTFORGE_SOCKET__UNIX": str(tmp_path / "s"),
            "SCRIPTFORGE_CATALOG__DIRECTORY": str(tmp_path),
            "SCRIPTFORGE_METRICS__LISTEN": "",
            "SCRIPTFORGE_VOICE__RECORDS": "",
            name: f'["tcp:{address}"]' if section == "sip.listen" else address,
        }
        ran = subprocess.run([SCRIPTFORGE, "serve"], check=False, **RUN, env=environment)
    shown = f"tcp:{address}" if section == "sip.listen" else address
    assert ran.stderr.strip().splitlines()[-1].startswith(f"scriptforge: {section}: cannot listen on {shown}: Address")
    assert ran.returncode == 1
