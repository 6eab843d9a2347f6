"""Completion as the shells themselves do it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from sidecar.cli import main
from sidecar.cli.command_line import make_parser
from sidecar.cli.completion import completion

ASK = """
source {file}
COMP_WORDS=({words}) COMP_CWORD=$(( {count} - 1 ))
_scriptforge
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completed(tmp_path: Path, *words: str) -> set[str]:
    """What bash offers for the last word."""
    file = tmp_path / "completion.bash"
    file.write_text(completion("bash", make_parser()))
    program = ASK.format(file=file, words=" ".join(f"'{word}'" for word in words), count=len(words))
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["scriptforge", "scr"], {"scripts"}),
        (["scriptforge", "scripts", "pu"], {"pull", "push"}),
        (["scriptforge", "scripts", "push", "--f"], {"--force"}),
        (["scriptforge", "scripts", "push", "--note", "scripts", "--del"], {"--delete"}),
        (["scriptforge", "scripts", "push", "--kind", "ap"], {"app"}),
        (["scriptforge", "assign", "list", "--type", ""], {"route", "did", "destination"}),
        (["scriptforge", "completion", ""], {"-h", "--help", "bash", "zsh"}),
        (["scriptforge", "nothing-such"], set()),
    ],
)
def test_bash_completes_commands_options_and_values(tmp_path: Path, words: list[str], offered: set[str]) -> None:
    assert completed(tmp_path, *words) == offered


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh"):
        assert main(["completion", shell]) == 0
        assert capsys.readouterr().out == completion(shell, make_parser())


def test_zsh_reads_it(tmp_path: Path) -> None:
    zsh = shutil.which("zsh")
    assert zsh is not None, "zsh is not installed: .ci/packages --tests"
    file = tmp_path / "completion.zsh"
    file.write_text(completion("zsh", make_parser()))
    offers = tmp_path / "offers.zsh"
    offers.write_text(
        f"""compdef() {{ : }}
_describe() {{ print -l -- "${{(@P)@[-1]}}" }}
_files() {{ : }}
compadd() {{ shift; print -l -- "$@" }}
source {file}
words=(scriptforge scripts push --kind x) CURRENT=5; _scriptforge
print --
words=(scriptforge scripts pu) CURRENT=3; _scriptforge
"""
    )
    done = subprocess.run([zsh, "-f", str(offers)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    values, _, commands = done.stdout.partition("\n\n")
    assert "script" in values.splitlines()
    assert "rollback:have the text of an earlier version run again, as the next version" in commands.splitlines()
