"""What config/freeswitch has for several sidecars: HAProxy takes it, and the dialplan asks where HAProxy listens."""

import re
import subprocess
from xml.etree import ElementTree

from tests.acceptance.processes import require_program
from tests.acceptance.serving import ROOT

FOLDER = ROOT / "config" / "freeswitch"


def test_haproxy_takes_the_configuration_without_a_warning() -> None:
    command = [require_program("haproxy"), "-c", "-f", str(FOLDER / "haproxy.cfg")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_dialplan_asks_where_haproxy_listens_and_asks_again_where_it_asked() -> None:
    configuration = (FOLDER / "haproxy.cfg").read_text()
    asked: dict[str, list[str]] = {}
    extensions = ElementTree.parse(FOLDER / "several.xml").iter("extension")  # noqa: S314 - our own
    for extension in extensions:
        for action in extension.iter("action"):
            if action.get("application") == "socket":
                asked.setdefault(extension.get("name", "")[:18], []).append(action.get("data", ""))
    listening = dict(re.findall(r"presetenv SCRIPTFORGE_(CLASS[45]) (\S+)", configuration))
    assert asked == {
        f"scriptforge-class{number}": [f"{listening[f'CLASS{number}']} async full"] * 2 for number in (5, 4)
    }
