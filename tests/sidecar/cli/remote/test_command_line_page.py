"""The page about the command line, against the parser: what it names is there, and what is there it names."""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.cli.command_line import make_parser
from sidecar.cli.completion import walk
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT

PAGE = (Path(__file__).parents[4] / "docs" / "command-line.md").read_text()
TOLD = (
    "login",
    "apps",
    "scripts",
    "assign",
    "env",
    "kv",
    "jobs",
    "schedules",
    "workers",
    "rows",
    "dids",
    "tenants",
    "tokens",
    "usage",
    "limits",
    "nodes",
    "webhooks",
    "logs",
    "dev",
    "completion",
)
EVERYWHERE = {"-h", "--help", "--json", "--server", "--tenant", "--config", "--url", "--database"}
COMMANDS = dict(walk(make_parser()))


def told_commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for path, parser in COMMANDS.items():
        if path and path.split()[0] in TOLD:
            yield path.strip(), parser


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings}


def commands_shown() -> list[str]:
    return [
        line
        for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
        if line.startswith("scriptforge ")
    ]


@pytest.mark.parametrize("line", commands_shown())
def test_each_command_of_the_page_is_one(line: str) -> None:
    make_parser().parse_args(shlex.split(line.partition(" < ")[0])[1:])


def test_each_command_and_option_is_on_the_page() -> None:
    words = set(re.findall(r"[-\w]+", PAGE))
    missing = [path for path, _ in told_commands() if not set(path.split()) <= words]
    missing += [
        f"{path} {option}"
        for path, parser in told_commands()
        for option in options_of(parser) - EVERYWHERE
        if option not in words
    ]
    assert missing == []


def test_each_option_on_the_page_is_one() -> None:
    known = {option for _, parser in told_commands() for option in options_of(parser)}
    shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z](?![\w-])", PAGE))
    assert shown <= known


def test_the_exit_statuses_are_those_of_the_help() -> None:
    in_help = set(re.findall(r"\b(\d) ", EXIT_STATUS_TEXT))
    on_page = set(re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE))
    assert in_help == on_page == set("0123456")


@pytest.mark.parametrize("path", [path for path, _ in told_commands()])
def test_each_command_has_help(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args([*path.split(), "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: scriptforge ")
