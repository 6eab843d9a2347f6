"""The unit: how exposed systemd says it is, that it parses, and that the daemon's parts work under its filter."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.calls.service import ENDING_SECONDS
from sidecar.configuration.tree import Configuration
from sidecar.operations.hand_over import HandOver
from sidecar.operations.notify import Notifier
from sidecar.operations.shutdown import Shutdown

ROOT = Path(__file__).parents[3]
UNIT = ROOT / "systemd" / "scriptforge.service"
TEMPLATE = ROOT / "systemd" / "scriptforge@.service"
PLATFORM = ROOT / "systemd" / "scriptforge-platform.service"
TMPFILES = ROOT / "systemd" / "scriptforge.tmpfiles.conf"
LONGEST_SECONDS = 240.0
"""A pool's start takes a second of a quiet machine, and minutes of a busy one where the tests are run nice."""
LEAST_PRIORITY = 19
"""No process is nicer: tests that are run nice themselves see less of a difference."""
EXPOSURE = 15
"""At most 1.5, in tenths."""


def systemd(*arguments: str | Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run one of systemd's tools; a missing one fails the test and says what to install."""
    if shutil.which(str(arguments[0])) is None:
        pytest.fail(f"{arguments[0]} is missing: apt-get install --no-install-recommends systemd")
    return subprocess.run(
        [str(a) for a in arguments], capture_output=True, text=True, check=False, timeout=60, env=environment
    )


def settings(name: str) -> list[str]:
    """The values of each line that sets ``name``."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


@pytest.mark.parametrize("unit", [UNIT, TEMPLATE, PLATFORM])
def test_exposure(unit: Path) -> None:
    result = systemd("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", unit)
    assert "Overall exposure level" in result.stdout, result.stderr
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        (UNIT, "scriptforge.service"),
        (TEMPLATE, "scriptforge@a.service"),
        (PLATFORM, "scriptforge-platform.service"),
    ],
)
def test_the_unit_parses(unit: Path, name: str, tmp_path: Path) -> None:
    written = tmp_path / name
    written.write_text(unit.read_text().replace("/opt/scriptforge/bin/scriptforge", sys.executable))
    result = systemd("systemd-analyze", "verify", "--man=no", written)
    complaints = [
        line
        for line in result.stderr.splitlines()
        # Before 253: the unit says Type=notify on the line above for this case.
        if line.startswith(str(tmp_path)) and not line.endswith("Failed to parse service type, ignoring: notify-reload")
    ]
    assert complaints == []
    assert result.returncode == 0, result.stderr


def test_the_others_are_written_out_of_the_one(tmp_path: Path) -> None:
    for folder in ("systemd", "packaging"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("root"))
    subprocess.run([str(tmp_path / "packaging" / "units")], check=True)
    for unit in (TEMPLATE, PLATFORM):
        assert (tmp_path / "systemd" / unit.name).read_text() == unit.read_text()


def test_the_platforms_unit_has_nothing_of_calls() -> None:
    settings = PLATFORM.read_text().partition("[Service]")[2]
    assert "scriptforge platform" in settings
    for word in ("HAND_OVER", "FileDescriptorStoreMax", "RuntimeDirectory", "switch", "LAST_GOOD", "daemon"):
        assert word not in settings, word


def test_an_instance_differs_in_its_configuration_and_its_directories_alone() -> None:
    one, several = UNIT.read_text().splitlines(), TEMPLATE.read_text().splitlines()
    assert [line for line in several if line not in one and not line.startswith("#")] == [
        "Description=ScriptForge Sidecar %i",
        "ExecStart=/opt/scriptforge/bin/scriptforge serve --config /etc/scriptforge/%i.toml",
        "Environment=SCRIPTFORGE_CATALOG__LAST_GOOD=/var/lib/scriptforge/last-good-%i",
        "RuntimeDirectory=scriptforge-%i",
    ]
    assert len([line for line in one if line not in several]) == 5, "those, and the line that says what it is"


def test_a_switch_of_the_group_reads_and_writes_what_it_is_to() -> None:
    assert settings("UMask") == ["0007"]
    assert settings("StateDirectoryMode") == ["0750"]
    modes = dict(re.findall(r"^d (\S+) +(\d+) scriptforge +scriptforge ", TMPFILES.read_text(), re.MULTILINE))
    assert modes == {
        "/var/lib/scriptforge": "0750",
        "/var/lib/scriptforge/sounds": "2770",
        "/var/lib/scriptforge/recordings": "2770",
        "/var/lib/scriptforge/calls": "0700",
    }


def test_systemd_waits_for_the_whole_end() -> None:
    """With the configuration's defaults. The daemon asks for more where it is set to take longer."""
    configuration = Configuration()
    drain = configuration.shutdown.drain_seconds
    shutdown = Shutdown(
        drain_calls_seconds=configuration.voice.drain_seconds + ENDING_SECONDS,
        hand_over_seconds=HandOver((), Notifier(), patience_seconds=drain).longest_seconds,
        drain_seconds=drain,
    )
    [seconds] = settings("TimeoutStopSec")
    assert shutdown.longest_seconds <= int(seconds)


def test_what_a_restart_hands_over_is_kept() -> None:
    configuration = Configuration()
    assert "SCRIPTFORGE_SHUTDOWN__HAND_OVER=true" in settings("Environment")
    assert settings("RuntimeDirectoryPreserve") == ["restart"]
    [kept] = settings("FileDescriptorStoreMax")
    assert int(kept) >= 2 * configuration.socket.connections


def test_an_older_systemd_falls_back_to_notify() -> None:
    assert settings("Type") == ["notify", "notify-reload"]
    assert settings("ExecReload") == ['/bin/sh -c "kill -HUP $MAINPID"']


@pytest.mark.skipif(os.getuid() != 0, reason="systemd-sysusers and systemd-tmpfiles change owners")
def test_user_and_directories(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    users = systemd("systemd-sysusers", f"--root={tmp_path}", ROOT / "systemd" / "scriptforge.sysusers.conf")
    assert users.returncode == 0, users.stderr
    password_line = (tmp_path / "etc" / "passwd").read_text().split(":")
    assert (password_line[0], password_line[-1].strip()) == ("scriptforge", "/usr/sbin/nologin")
    created = systemd(
        "systemd-tmpfiles", "--create", f"--root={tmp_path}", ROOT / "systemd" / "scriptforge.tmpfiles.conf"
    )
    assert created.returncode == 0, created.stderr
    scripts = (tmp_path / "etc" / "scriptforge" / "scripts").stat()
    assert (scripts.st_mode & 0o777, scripts.st_uid, scripts.st_gid) == (0o750, 0, int(password_line[3]))


def allowed_system_calls() -> set[str]:
    """The unit's SystemCallFilter lines in their order, groups taken apart as systemd does."""
    groups: dict[str, list[str]] = {}
    group = ""
    for line in systemd("systemd-analyze", "syscall-filter", "--no-pager").stdout.splitlines():
        word = line.strip()
        if line.startswith("@"):
            group = word
            groups[group] = []
        elif word and not word.startswith("#") and group:
            groups[group].append(word)

    def expanded(name: str) -> set[str]:
        if not name.startswith("@"):
            return {name}
        return set().union(*(expanded(member) for member in groups[name]))

    # @default is always allowed (systemd.exec(5)).
    allowed = expanded("@default")
    for value in settings("SystemCallFilter"):
        names: set[str] = set().union(*(expanded(name) for name in value.lstrip("~").split()))
        allowed = allowed - names if value.startswith("~") else allowed | names
    return allowed


def test_what_the_filter_is_for() -> None:
    allowed = allowed_system_calls()
    assert not allowed & {
        "ptrace",
        "mount",
        "bpf",
        "setuid",
        "process_vm_readv",
        "keyctl",
        "perf_event_open",
        "kexec_load",
    }
    assert {"seccomp", "prctl", "prlimit64", "memfd_create", "chown", "setpriority", "pidfd_open", "capset"} <= allowed
    assert "sched_setscheduler" in allowed
    assert settings("RestrictRealtime") == ["yes"]


@pytest.mark.timeout(LONGEST_SECONDS + 60)
def test_the_daemon_works_under_the_filter(tmp_path: Path) -> None:
    """Workers confine themselves inside the unit's restrictions; what those refuse is refused."""
    # Files, not pipes: a worker left over by a broken pool would hold a pipe open past its parent's end.
    with (tmp_path / "output").open("w+") as output, (tmp_path / "errors").open("w+") as errors:
        child = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("confined_child.py"))],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
            text=True,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        )
        try:
            child.communicate(json.dumps({"allowed": sorted(allowed_system_calls())}), timeout=LONGEST_SECONDS)
        finally:
            child.kill()
            child.wait()
        said, errors_said = ((tmp_path / name).read_text() for name in ("output", "errors"))
    assert said.splitlines() == [
        "refused namespaces",
        "refused families",
        "refused users",
        "sockets",
        "files",
        "threads",
        "engine=True",
        "pool confined=True",
        f"workers batch=True niceness=[0, 0, {min(5, LEAST_PRIORITY - os.nice(0))}]",
    ], errors_said[-3000:]
    assert child.returncode == 0, errors_said[-3000:]
