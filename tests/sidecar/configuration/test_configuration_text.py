"""What `scriptforge config` prints, and the configuration file that is shipped."""

import argparse
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.cli import config as config_command
from sidecar.configuration.source import build_configuration, leaves
from sidecar.configuration.text import (
    LINE_WIDTH,
    effective_configuration,
    meanings,
    shipped_configuration,
    toml_value,
)
from sidecar.configuration.tree import Configuration

SHIPPED = Path(__file__).parents[3] / "config" / "sidecar.toml"


def test_every_key_has_its_meaning() -> None:
    texts = meanings()
    for leaf in leaves():
        section = Configuration
        for name in leaf.path[:-1]:
            section = type(getattr(section(), name))
        assert texts[section.__name__, leaf.path[-1]], leaf.path


def test_the_shipped_file_is_what_the_declarations_give() -> None:
    assert SHIPPED.read_text(encoding="utf-8") == shipped_configuration(), "run: scriptforge config --defaults"


def test_the_shipped_file_changes_nothing_and_uncommented_gives_the_defaults() -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    loaded = build_configuration(text, {})
    assert loaded.configuration == Configuration()
    assert set(loaded.origins.values()) == {"default"}
    uncommented = "\n".join(
        line[1:] if line.startswith("#") and line[1:2].isalpha() else line for line in text.splitlines()
    )
    loaded = build_configuration(uncommented, {})
    assert loaded.configuration == Configuration()
    assert "default" not in loaded.origins.values()


def test_no_line_of_a_comment_ends_before_its_margin() -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    for line, after in pairwise(lines):
        if line.startswith("# ") and after.startswith("# "):
            assert len(f"{line} {after.split()[1]}") > LINE_WIDTH, (line, after)


def test_what_is_printed_says_meaning_and_origin_and_reads_back() -> None:
    loaded = build_configuration(
        "[sandbox]\nworkers = 3\n[socket]\nunix = ''\ntcp = '127.0.0.1:1'\n",
        {"SCRIPTFORGE_LOG__LEVEL": "debug"},
        file=Path("/etc/x.toml"),
    )
    text = effective_configuration(loaded)
    assert build_configuration(text, {}).configuration == loaded.configuration
    assert (
        "# Worker processes for scripts that answer quickly. "
        "One for each core that may be spent on scripts.\n"
        "# From /etc/x.toml:2.\n"
        "workers = 3\n"
    ) in text
    assert '# From SCRIPTFORGE_LOG__LEVEL.\nlevel = "debug"\n' in text
    assert "# Default.\ncpu_ms = 2_000\n" in text
    assert '\nunix = ""\n' in text


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_reads_back_from_toml(text: str) -> None:
    assert tomllib.loads(f"x = {toml_value(text)}")["x"] == text


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    config_command.add_parser(parser.add_subparsers())
    return parser.parse_args(["config", *words])


def test_the_command_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sidecar.toml"
    file.write_text("[sandbox]\nworkers = 9\n")
    assert config_command.run(parse("--config", str(file))) == 0
    assert tomllib.loads(capsys.readouterr().out)["sandbox"]["workers"] == 9


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sidecar.toml"
    file.write_text("[sandbox]\nworker = 9\n")
    assert config_command.run(parse("--config", str(file))) == 1
    assert f"{file}:2:1: error: unknown key 'sandbox.worker'" in capsys.readouterr().err


def test_the_command_prints_the_shipped_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert config_command.run(parse("--defaults")) == 0
    assert capsys.readouterr().out == shipped_configuration()
