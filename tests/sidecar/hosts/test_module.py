"""The JavaScript of modules, and what several of them share."""

from pathlib import Path

from sidecar.hosts.grants import shipped_modules
from sidecar.hosts.module import javascript_beside


def test_a_module_has_what_it_shares_by_name_and_keeps_its_lines(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "two.js").write_text("// Two.\n2;\n")
    (tmp_path / "shared" / "twice.js").write_text("(value) => 2 * value;\n")
    (tmp_path / "four.js").write_text("// Four.\n({ ask }) => {\n  return twice(two);\n};\n")
    made = javascript_beside(str(tmp_path / "four.py"), "two", "twice")
    assert (
        made == "((two, twice) => // Four.\n({ ask }) => {\n  return twice(two);\n})(// Two.\n2, (value) => 2 * value)"
    )


def test_what_shares_nothing_is_its_file_alone(tmp_path: Path) -> None:
    (tmp_path / "one.js").write_text("() => 1;\n")
    assert javascript_beside(str(tmp_path / "one.py")) == "() => 1"


def test_what_is_shared_is_in_the_modules_that_name_it_alone() -> None:
    having = {module.name for module in shipped_modules() if "refusal" in module.javascript}
    assert having == {"cxOriginate", "cxCallControl"}
