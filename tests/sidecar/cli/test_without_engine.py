"""What works where the package is installed without its extensions, as on an author's macOS."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HIDDEN = """
import sys, sysconfig
# Python 3.13 looks for the settings of its build when zoneinfo is imported, by the platform that they are of.
sysconfig.get_config_vars()
for name in ("sandbox._engine", "sidecar._result_check", "_quickjs", "quickjs", "pyseccomp"):
    sys.modules[name] = None
sys.platform = {platform!r}
from sidecar.cli import main
sys.exit(main(sys.argv[1:]))
"""


def scriptforge(*arguments: str, platform: str = "darwin") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HIDDEN.format(platform=platform), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


def test_check_says_what_the_engine_could_not_be_asked_and_all_else(tmp_path: Path) -> None:
    right = scriptforge("check", "examples")
    assert right.returncode == 0, right.stderr
    assert right.stderr == (
        "scriptforge check: the engine could not be asked about the scripts:"
        " scripts run on Linux only, on x86-64 and aarch64\n"
    )
    (tmp_path / "wrong.js").write_text("function main(data { return data }")
    wrong = scriptforge("check", str(tmp_path / "wrong.js"))
    assert wrong.returncode == 4
    assert "wrong.js:1:" in wrong.stdout


@pytest.mark.parametrize("command", [["types"], ["config"], ["--help"], ["calls", "--help"]], ids=" ".join)
def test_what_runs_no_script_works(command: list[str]) -> None:
    done = scriptforge(*command)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["serve"],
        ["run", "examples/scripts/header-add.js", "--data", "examples/calls/header-add.json"],
        ["call", "examples/scripts/menu.js", "--keys", "1"],
        ["bench"],
    ],
    ids=lambda command: command[0],
)
def test_what_runs_scripts_says_where_it_would(command: list[str]) -> None:
    done = scriptforge(*command)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "scriptforge: scripts run on Linux only, on x86-64 and aarch64;"
        " check, types, config, route, logs, calls and what asks a server work here\n"
    )


def test_on_linux_it_is_an_installation_gone_wrong() -> None:
    done = scriptforge("serve", platform="linux")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "scriptforge: no script can be run: the extension sandbox._engine has not been built; install the package again"
    )
