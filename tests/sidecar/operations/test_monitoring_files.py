"""The files for Prometheus and Grafana: right by their own tools, and of metrics that the daemon's page has."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sidecar.operations.metrics import DecisionMetrics, registry
from tests.sidecar.operations.test_metrics import full

ROOT = Path(__file__).parents[3]
RULES = ROOT / "config/prometheus/scriptforge.yml"
DASHBOARD = ROOT / "config/grafana/scriptforge.json"
OPERATIONS = ROOT / "docs/operations.md"
_NAME = re.compile(r"\b(?:scriptforge|process)_[a-z0-9_]+")
_SELECTOR = re.compile(r"\b((?:scriptforge|process)_[a-z0-9_]+)\{([^}]*)\}")


def page() -> dict[str, dict[str, set[str]]]:
    """Every sample's name on the page, with the values of its labels."""
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(generate_latest(registry(DecisionMetrics(), *full())).decode()):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def promtool(*words: str, cwd: Path) -> str:
    tool = shutil.which("promtool")
    assert tool, "promtool is missing: apt-get install --no-install-recommends prometheus"
    ran = subprocess.run([tool, *words], cwd=cwd, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def rules() -> str:
    # Without what is said to people, in which words may look like names.
    return "\n".join(line for line in RULES.read_text().splitlines() if not line.lstrip().startswith(("#", "summary:")))


def test_promtool_takes_the_rules_and_they_fire_on_what_they_are_for() -> None:
    promtool("check", "rules", str(RULES), cwd=ROOT)
    assert "SUCCESS" in promtool("test", "rules", "prometheus_rules.yml", cwd=Path(__file__).parent)


@pytest.mark.parametrize("text", [rules(), "\n".join(expressions())], ids=["rules", "dashboard"])
def test_every_metric_named_is_on_the_page_with_its_labels(text: str) -> None:
    shown = page()
    names = set(_NAME.findall(text))
    assert len(names) > 10
    assert names - shown.keys() == set()
    for name, selectors in _SELECTOR.findall(text):
        for label, values in re.findall(r'(\w+)=~?"([^"]*)"', selectors):
            if label not in ("instance", "job"):
                assert set(values.split("|")) <= shown[name][label], (name, label, values)


def test_every_expression_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    groups: dict[str, Any] = {"groups": [{"name": "dashboard", "rules": []}]}
    for number, expression in enumerate(expressions()):
        text = expression.replace("$__rate_interval", "5m").replace("$instance", ".+")
        groups["groups"][0]["rules"].append({"record": f"panel:{number}", "expr": text})
    # JSON is YAML.
    (tmp_path / "rules.yml").write_text(json.dumps(groups))
    promtool("check", "rules", "rules.yml", cwd=tmp_path)


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_the_page_of_operations_has_every_alert() -> None:
    alerts = set(re.findall(r"^ +- alert: (\w+)$", RULES.read_text(), re.MULTILINE))
    assert len(alerts) > 10
    assert alerts == set(re.findall(r"^\| `(ScriptForge\w+)` \|", OPERATIONS.read_text(), re.MULTILINE))
