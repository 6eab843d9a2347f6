"""``scriptforge types``: declarations of what a script finds around it, for editors."""

import argparse
import json
import sys
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Final

from sidecar.configuration.source import load_configuration
from sidecar.errors import SidecarError
from sidecar.language.modules import NODE, SCHEME
from sidecar.npm.errors import StoreError
from sidecar.npm.store import package_of, read_directory
from sidecar.text import escaped

DECLARATIONS: Final = "scriptforge.d.ts"
OF_TESTS: Final = "scriptforge-test.d.ts"
OF_MODULES: Final = "scriptforge-modules.d.ts"
EDITOR_SETTINGS: Final = "jsconfig.json"
_OF_MODULES_BEGINS: Final = """\
// Written by `scriptforge types`: Node's core modules, as far as there are any, and the npm modules that are installed.
// They are declared by name alone: an editor knows nothing of what is in them.
declare var Buffer: any;
"""


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
        help=f"write {DECLARATIONS}, {OF_TESTS} for tests, {OF_MODULES} of Node's and npm's, and {EDITOR_SETTINGS}"
        " unless there is one",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="whose npm modules are declared (default: /etc/scriptforge/sidecar.toml)",
    )
    parser.set_defaults(run=run)


def text(name: str) -> str:
    """A file of the declarations."""
    return (files("sidecar") / "language" / name).read_text(encoding="utf-8")


def modules_text(names: Iterable[str]) -> str:
    """A declaration of each module, of which nothing else is known."""
    declared = "".join(f"declare module {json.dumps(name)};\n" for name in sorted(names))
    return f"{_OF_MODULES_BEGINS}{declared}"


def _modules(arguments: argparse.Namespace, directory: Path) -> set[str]:
    """Those of Node's and the installed ones, without those whose own types stand in the folder: a declaration would
    hide them."""
    installed = load_configuration(arguments.config).configuration.modules.directory
    try:
        entries = {entry.name for module in read_directory(installed).modules for entry in module.entries}
    except StoreError as error:  # of somebody else on this machine
        print(f"scriptforge: no npm module is declared: {escaped(str(error))}", file=sys.stderr)
        entries = set()
    of_node = {*NODE, *(SCHEME + name for name in NODE)}
    return of_node | {entry for entry in entries if not _has_types(directory, package_of(entry))}


def _has_types(directory: Path, package: str) -> bool:
    folder = directory / "node_modules"
    # https://github.com/DefinitelyTyped/DefinitelyTyped#what-about-scoped-packages
    return any(one.exists() for one in (folder / package, folder / "@types" / package.lstrip("@").replace("/", "__")))


def run(arguments: argparse.Namespace) -> int:
    """Prints or writes."""
    directory: Path | None = arguments.write
    if directory is None:
        sys.stdout.write(text(DECLARATIONS))
        return 0
    try:
        declared = {name: text(name) for name in (DECLARATIONS, OF_TESTS)}
        declared[OF_MODULES] = modules_text(_modules(arguments, directory))
        for name, content in declared.items():
            (directory / name).write_text(content, encoding="utf-8")
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
