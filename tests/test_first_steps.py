"""What the README and the page of the HTTP API say of ``scriptforge up`` is so: their commands run as they are printed,
one after the other, and print what is shown."""

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.acceptance.processes import Program, wait_until

ROOT = Path(__file__).parents[1]
PRINTED_ADDRESS = "127.0.0.1:8080"
PRINTED_TOKEN = "sf_..."
SECONDS = 60.0


def section(file: Path, title: str) -> str:
    """What stands below a title, up to the next."""
    return file.read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]


def blocks(text: str) -> list[str]:
    """The indented blocks."""
    return [textwrap.dedent(block) for block in re.findall(r"(?:^ {4}.*\n)+", text, re.MULTILINE)]


class Desk:
    """A folder like a checkout, in which ``scriptforge up`` runs."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(ROOT / "examples", folder / "examples")
        self._folder = folder
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SCRIPTFORGE_")}
        self._environment: Mapping[str, str] = {
            **inherited,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "XDG_CONFIG_HOME": str(folder / "home"),
            # Others on this machine may have the printed ones.
            "SCRIPTFORGE_PLATFORM__LISTEN": "127.0.0.1:0",
            "SCRIPTFORGE_PLATFORM__METRICS": "",
            "SCRIPTFORGE_METRICS__LISTEN": "",
        }
        self.up = Program(["scriptforge", "up"], folder / "up.log", folder, self._environment)
        self.up.wait_for("Ctrl-C ends both", seconds=SECONDS)
        self.address = self.up.lines("^runs ")[0].split()[-1].removeprefix("http://").removesuffix("/run/UUID")
        self.token = self.up.lines("^token ")[0].split()[-1]

    def run(self, command: str, given: str = "") -> str:
        """A command as printed, with this platform's address and token; what it prints."""
        done = subprocess.run(
            ["bash", "-euc", command.replace(PRINTED_ADDRESS, self.address).replace(PRINTED_TOKEN, self.token)],
            cwd=self._folder,
            env=self._environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    started = Desk(tmp_path_factory.mktemp("checkout"))
    try:
        yield started
    finally:
        os.kill(started.up.process.pid, signal.SIGINT)
        started.up.finish(SECONDS)


@pytest.mark.timeout(240)
def test_the_readme_goes_from_a_token_to_the_next_call(desk: Desk) -> None:
    text = section(ROOT / "README.md", "Save scripts, run them in a browser, and on the next call")
    up, login, saving, assigning, asking, shown = blocks(text)
    assert up == "scriptforge up\n"
    assert "logged in" in desk.run(login, f"{desk.token}\n")
    listed = desk.run(saving)
    (uuid,) = re.findall(r"calls\.js .* yes +([0-9a-f-]{36})", listed)
    page, answer = re.findall(r"`(http://[^`]*UUID[^`]*)`.*: `([^`]*)`", text)[0]
    url = page.replace("UUID", uuid).replace(PRINTED_ADDRESS, desk.address)
    assert httpx.get(url, headers={"Accept": "text/html"}, trust_env=False).text == answer
    desk.run(assigning)
    told: list[str] = []

    def decided() -> bool:
        told.append(desk.run(asking))
        return shown in told[-1]

    wait_until(decided, "the call is decided by it", SECONDS)
    assert all("no script is assigned" in one for one in told[:-1])


@pytest.mark.timeout(240)
def test_the_page_of_the_http_api_asks_as_printed(desk: Desk) -> None:
    first, together = blocks(section(ROOT / "docs" / "http-api.md", "Asking"))[:2]
    settings = "\n".join(first.splitlines()[:3]) + "\n"
    assert '"id":"hello"' in desk.run(first)
    answers = desk.run(settings + together)
    assert '"name":"tax.ts"' in answers
    assert '"result":"Hello world"' in answers
    uuid = re.findall(
        r'"id":"hello".*?"uuid":"([0-9a-f-]+)"', desk.run(f'{settings}curl -sH "$auth" "$api/scripts/hello"')
    )
    running = blocks(section(ROOT / "docs" / "http-api.md", "Running a script by its uuid"))[0]
    assert desk.run(f"uuid={uuid[0]}\n{running}") == "Hello world" * 2
