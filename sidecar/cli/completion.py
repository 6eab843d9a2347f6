"""``scriptforge completion``: what a shell needs to complete commands and options, made of the parser itself."""

import argparse
from collections.abc import Iterator
from typing import Final

SHELLS: Final = ("bash", "zsh")
_BASH: Final = """\
# scriptforge completion bash: `source <(scriptforge completion bash)` in ~/.bashrc
_scriptforge() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} path= index=1 next words=
    while (( index < COMP_CWORD )); do
        next="$path ${{COMP_WORDS[index]}}"
        case "$next" in
            {paths}) path=$next ;;
        esac
        (( index += 1 ))
    done
    case "$path $before" in
{values}
    esac
    case "$path" in
{words}
    esac
    COMPREPLY=( $(compgen -W "$words" -- "$word") )
}}
complete -o bashdefault -o default -F _scriptforge scriptforge
"""
_ZSH: Final = """\
#compdef scriptforge
# scriptforge completion zsh: `source <(scriptforge completion zsh)` in ~/.zshrc, after compinit
_scriptforge() {{
    local typed= next index=2 before=${{words[CURRENT-1]}}
    local -a found
    while (( index < CURRENT )); do
        next="$typed ${{words[index]}}"
        case "$next" in
            {paths}) typed=$next ;;
        esac
        (( index += 1 ))
    done
    case "$typed $before" in
{values}
    esac
    case "$typed" in
{words}
    esac
    _describe -o 'scriptforge' found
    _files
}}
compdef _scriptforge scriptforge
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``completion`` command."""
    parser = subparsers.add_parser(
        "completion",
        help="print what bash or zsh needs to complete commands and options",
        description="In ~/.bashrc: source <(scriptforge completion bash). In ~/.zshrc, after compinit: source"
        " <(scriptforge completion zsh).",
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints it."""
    from sidecar.cli.command_line import make_parser  # noqa: PLC0415 - which imports this

    print(completion(arguments.shell, make_parser()), end="")
    return 0


def completion(shell: str, parser: argparse.ArgumentParser) -> str:
    """The script for a shell."""
    commands = dict(walk(parser))
    paths = "|".join(_quoted(path) for path in commands if path)
    words, values = [], []
    for path, one in commands.items():
        found = list(_words(one))
        if shell == "bash":
            words.append(f"        {_quoted(path)}) words={_quoted(' '.join(word for word, _ in found))} ;;")
        else:
            shown = " ".join(_quoted(f"{word}:{help_text}" if help_text else word) for word, help_text in found)
            words.append(f"        {_quoted(path)}) found=( {shown} ) ;;")
        for option, choices in _choices(one):
            reply = _quoted(" ".join(choices))
            if shell == "bash":
                values.append(
                    f'        {_quoted(f"{path} {option}")}) COMPREPLY=( $(compgen -W {reply} -- "$word") ); return ;;'
                )
            else:
                values.append(f"        {_quoted(f'{path} {option}')}) compadd -- {' '.join(choices)}; return ;;")
    template = _BASH if shell == "bash" else _ZSH
    return template.format(paths=paths, values="\n".join(values), words="\n".join(words))


def walk(parser: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command with its words, a blank before each: the whole program's first."""
    yield path, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                yield from walk(one, f"{path} {name}")


def _words(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """What may come next, each with its help."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {one.dest: one.help or "" for one in action._choices_actions}
            yield from ((name, helps.get(name, "")) for name in action.choices)
        elif action.option_strings:
            shown = action.help if action.help not in (None, argparse.SUPPRESS) else ""
            yield from ((option, shown or "") for option in action.option_strings)
        elif action.choices is not None:
            yield from ((str(one), "") for one in action.choices)


def _choices(parser: argparse.ArgumentParser) -> Iterator[tuple[str, list[str]]]:
    """Options with the values that there are."""
    for action in parser._actions:
        if action.option_strings and action.choices is not None:
            yield from ((option, [str(one) for one in action.choices]) for option in action.option_strings)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
