"""``scriptforge types``: declarations of what a script finds around it, for editors."""

import argparse
import sys
from importlib.resources import files
from pathlib import Path
from typing import Final

from sidecar.errors import SidecarError

DECLARATIONS: Final = "scriptforge.d.ts"
OF_TESTS: Final = "scriptforge-test.d.ts"
EDITOR_SETTINGS: Final = "jsconfig.json"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``types`` command."""
    parser = subparsers.add_parser(
        "types",
        help="print TypeScript declarations for scripts, or write them for an editor",
        description="With them an editor completes and checks data, ctx and what else a script may use. Above main:"
        " /** @type {ScriptForge.VoiceMain} */ or /** @type {ScriptForge.Main} */",
    )
    parser.add_argument(
        "--write",
        type=Path,
        metavar="DIR",
        help=f"write {DECLARATIONS}, {OF_TESTS} for tests, and {EDITOR_SETTINGS} unless there is one",
    )
    parser.set_defaults(run=run)


def text(name: str) -> str:
    """A file of the declarations."""
    return (files("sidecar") / "language" / name).read_text(encoding="utf-8")


def run(arguments: argparse.Namespace) -> int:
    """Prints or writes."""
    directory: Path | None = arguments.write
    if directory is None:
        sys.stdout.write(text(DECLARATIONS))
        return 0
    try:
        for name in (DECLARATIONS, OF_TESTS):
            (directory / name).write_text(text(name), encoding="utf-8")
            print(f"wrote {directory / name}")
        settings = directory / EDITOR_SETTINGS
        if settings.exists():
            # It may be the author's own by now.
            print(f"left {settings} as it is")
        else:
            settings.write_text(text(EDITOR_SETTINGS), encoding="utf-8")
            print(f"wrote {settings}")
    except OSError as error:
        raise SidecarError(f"{error.filename}: {error.strerror}") from error
    return 0
