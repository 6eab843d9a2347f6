"""A release: one version, known dependencies, and what is packaged of it."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sidecar import __version__
from sidecar.cli import main
from sidecar.operations.metrics import BuildMetrics

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONSTRAINTS = {
    canonicalize_name(name): pinned
    for name, pinned in re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
}
REQUIRED = [
    Requirement(text)
    for text in (
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["dev"],
        *PROJECT["project"]["optional-dependencies"]["platform"],
        *PROJECT["build-system"]["requires"],
    )
]


def test_the_newest_changes_are_those_of_this_version() -> None:
    headings = re.findall(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == __version__
    assert len(set(headings)) == len(headings)


def test_the_command_and_the_metrics_tell_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"scriptforge {__version__}\n"
    (build,) = BuildMetrics().collect()
    assert build.samples[0].labels["version"] == __version__
    assert PROJECT["project"]["dynamic"] == ["version"], "it stands nowhere else"


@pytest.mark.parametrize("required", REQUIRED, ids=lambda required: required.name)
def test_a_dependency_has_a_known_version_which_is_the_one_tested(required: Requirement) -> None:
    name = canonicalize_name(required.name)
    assert name in CONSTRAINTS, "run make constraints"
    assert required.specifier.contains(CONSTRAINTS[name]), "run make constraints"
    assert version(required.name) == CONSTRAINTS[name], "run make .venv/installed-dev"


def test_the_image_is_made_of_what_there_is() -> None:
    text = (ROOT / "packaging" / "Containerfile").read_text().replace("\\\n", "")
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)]
    sources = {source for sources in copied for source in sources}
    assert all((ROOT / source).exists() for source in sources)
    assert {"sandbox", "sipio", "sidecar", "native"} <= sources
    assert {"pyproject.toml", "setup.py", "constraints.txt", PROJECT["project"]["readme"]} <= sources
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["scriptforge"]


def test_the_package_needs_a_python_that_it_has_packages_for() -> None:
    (pythons,) = re.findall(r"^PYTHONS=\((.*?)\)", (ROOT / "packaging" / "deb").read_text(), re.MULTILINE)
    control = (ROOT / "packaging" / "debian" / "control").read_text()
    for python in pythons.split():
        major, minor = python.split(".")
        assert f"python3 (>= {python}~)" in control
        assert f"python3 (<< {major}.{int(minor) + 1}~)" in control


def test_every_file_of_the_packages_is_installed_with_them() -> None:
    """A wheel has what stands in a package and what package-data names: a folder that is no package has to be named."""
    patterns = PROJECT["tool"]["setuptools"]["package-data"]
    installed: set[Path] = set()
    for package in ("sandbox", "sipio", "sidecar"):
        for made in (ROOT / package).rglob("__init__.py"):
            folder = made.parent
            name = ".".join(folder.relative_to(ROOT).parts)
            for pattern in ("*.py", *patterns["*"], *patterns.get(name, ())):
                installed.update(folder.glob(pattern))
    files = {
        file
        for package in ("sandbox", "sipio", "sidecar")
        for file in (ROOT / package).rglob("*")
        if file.is_file() and file.suffix not in {".pyc", ".so"}
    }
    assert sorted(str(file.relative_to(ROOT)) for file in files - installed) == []
