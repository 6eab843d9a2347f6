"""The library of the engine is the one that the extension was written for, or it is refused and says why."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.processes import require_program

ROOT = Path(__file__).resolve().parents[2]
IMPORT = """
import importlib.util, sys, types
find_spec = importlib.util.find_spec
found = types.SimpleNamespace(origin=sys.argv[1]) if sys.argv[1] else None
importlib.util.find_spec = lambda name: found if name == "_quickjs" else find_spec(name)
try:
    import sandbox._engine
except ImportError as error:
    print(error)
"""


def refusal(library: str) -> str:
    """What importing the extension says with another library in place of the engine's."""
    command = [sys.executable, "-c", IMPORT, library]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=30).stdout.strip()


def built(directory: Path, text: str) -> str:
    library = directory / "engine.so"
    (directory / "engine.c").write_text(text, encoding="utf-8")
    command = [require_program("cc"), "-shared", "-fPIC", "-o", str(library), str(directory / "engine.c")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return str(library)


def test_there_is_none() -> None:
    assert refusal("") == "the JavaScript engine is not installed: pip install quickjs-ng"


def test_it_is_no_library(tmp_path: Path) -> None:
    text = tmp_path / "engine.so"
    text.write_text("text", encoding="utf-8")
    for path in (text, tmp_path / "missing.so"):
        assert refusal(str(path)).startswith("the JavaScript engine cannot be loaded: ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("int other;", "does not say which version of the JavaScript engine it is"),
        ('const char *JS_GetVersion(void) { return "0.18.0"; }', "is quickjs-ng 0.18.0, and 0.17.x is needed"),
        ('const char *JS_GetVersion(void) { return "0.170"; }', "is quickjs-ng 0.170, and 0.17.x is needed"),
        ('const char *JS_GetVersion(void) { return "0.17.9"; }', "the JavaScript engine has no function JS_"),
    ],
)
def test_it_is_another(text: str, why: str, tmp_path: Path) -> None:
    assert why in refusal(built(tmp_path, text))
