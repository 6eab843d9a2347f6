"""``scriptforge modules``: npm modules for scripts, installed without Node."""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from sidecar.cli import module_grants
from sidecar.cli.remote.shown import print_json, table
from sidecar.configuration.addresses import parse_web_url
from sidecar.configuration.source import load_configuration
from sidecar.text import escaped, escaped_lines

if TYPE_CHECKING:
    from sidecar.npm.bundling import Built
    from sidecar.npm.manifest import Manifest, Module
    from sidecar.npm.registry import Registry

PROBLEMS_FOUND: Final = 4
"""As of `scriptforge check`."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``modules`` command."""
    parser = subparsers.add_parser("modules", help="install npm modules that scripts may require; no Node is needed")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="modules_command")
    install = commands.add_parser(
        "install", help="install the modules that this release was tried with, each in the version that it was"
    )
    add = commands.add_parser(
        "add",
        help="install one more, or another version of one",
        description="Each with all that it needs, as one text. No script of any package is run.",
    )
    add.add_argument("packages", nargs="+", metavar="NAME[@RANGE]", help="the newest version without a range")
    add.add_argument(
        "--entry",
        action="append",
        default=[],
        metavar="PATH",
        help="a file of it that scripts may require as NAME/PATH, beside its main one; may be given several times",
    )
    add.add_argument(
        "--allow-licence",
        action="append",
        default=[],
        metavar="PACKAGE=LICENCE",
        help="take a package whose licence is not a permissive one, or is not declared: under which you may use it",
    )
    remove = commands.add_parser("remove", help="remove a module: all its versions, or one")
    remove.add_argument("package", metavar="NAME[@VERSION]")
    listed = commands.add_parser(
        "list", help="what is installed; exit status 4 where a text is not as it was installed"
    )
    listed.add_argument("--licences", action="store_true", help="each package inside, with its version and licence")
    listed.add_argument("--notices", metavar="NAME", help="the licences' texts of one module")
    audit = commands.add_parser(
        "audit", help="what the registry knows against the packages inside; exit status 4 where there is something"
    )
    bundle = commands.add_parser(
        "bundle", help="write all that is installed to one file, for machines without internet"
    )
    bundle.add_argument("file", type=Path, metavar="FILE", help="must not be there yet")
    load = commands.add_parser("load", help="install what such a file has")
    load.add_argument("file", type=Path, metavar="FILE")
    load.add_argument("--sha512", metavar="HEX", help="refuse a file with another SHA-512 than `bundle` has printed")
    module_grants.add_commands(commands)
    for command in (install, add, remove, load):
        command.add_argument(
            "--tests",
            action="append",
            default=[],
            type=Path,
            metavar="PATH",
            help="tests of scripts that have another version then, beside those in the catalog's directory; may be"
            " given several times",
        )
        command.add_argument(
            "--force",
            action="store_true",
            help="do it also where tests of scripts that have it fail, there are none, or it is not known who has it",
        )
    runs = {
        install: _install,
        add: _add,
        remove: _remove,
        listed: _list,
        audit: _audit,
        bundle: _bundle,
        load: _load,
    }
    for command, run in runs.items():
        command.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
        command.add_argument("--directory", type=Path, metavar="DIR", help="in place of modules.directory")
        command.set_defaults(run=run, usage_error=command.error)
    for command in (install, add, audit):
        command.add_argument("--registry", metavar="URL", help="in place of modules.registry")
    for command in (listed, audit):
        command.add_argument("--json", action="store_true", help="one line of JSON")


def _install(arguments: argparse.Namespace) -> int:
    from sidecar.npm.installing import build_shipped  # noqa: PLC0415 - other commands do without

    directory, registry = _places(arguments)
    built = build_shipped(registry, _told)
    _add_built(arguments, directory, built)
    _say_installed(directory, [one.module for one in built])
    return 0


def _add(arguments: argparse.Namespace) -> int:
    from sidecar.npm.installing import build_wanted  # noqa: PLC0415
    from sidecar.npm.package_name import read_wanted  # noqa: PLC0415

    wanted = dict(map(read_wanted, arguments.packages))
    if arguments.entry and len(wanted) > 1:
        arguments.usage_error("--entry: name one package, whose file it is")
    licences = _licences(arguments)
    directory, registry = _places(arguments)
    built = build_wanted(registry, wanted, _told, entries=arguments.entry, licences=licences)
    _add_built(arguments, directory, built)
    _say_installed(directory, [one.module for one in built])
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from sidecar.npm.package_name import read_wanted  # noqa: PLC0415
    from sidecar.npm.writing import remove_module  # noqa: PLC0415

    name, version = read_wanted(arguments.package)
    directory = _directory(arguments)
    wanted = None if version == "latest" else version
    _require_tested(arguments, directory, lambda folder: remove_module(folder, name, wanted, _told))
    removed = remove_module(directory, name, wanted, _told)
    for module in removed:
        print(f"{module.name}@{module.version} is removed from {escaped(str(directory))}")
    if not removed:
        print(
            f"scriptforge: {escaped(arguments.package)}: is not installed in {escaped(str(directory))}", file=sys.stderr
        )
    return 0 if removed else 1


def _list(arguments: argparse.Namespace) -> int:
    from sidecar.npm.offline import NOTICES_BYTES  # noqa: PLC0415
    from sidecar.npm.store import read_directory, read_store, verified  # noqa: PLC0415

    directory = _directory(arguments)
    modules = read_directory(directory).modules
    if arguments.notices is not None:
        wanted = [one for one in modules if arguments.notices in {one.name, f"{one.name}@{one.version}"}]
        for module in wanted:
            print(escaped_lines(verified(directory, module.notices, NOTICES_BYTES).decode(errors="replace")), end="")
        if not wanted:
            print(f"scriptforge: {escaped(arguments.notices)}: is not installed", file=sys.stderr)
        return 0 if wanted else 1
    refused = read_store(directory).refused
    if arguments.json:
        print_json({"modules": msgspec.to_builtins(modules), "refused": [_refused(one) for one in refused]})
    elif arguments.licences:
        print(
            table(
                ("module", "package", "version", "licence"),
                [
                    (f"{module.name}@{module.version}", package.name, package.version, package.licence)
                    for module in modules
                    for package in module.packages
                ],
            ),
            end="",
        )
    else:
        print(
            table(
                ("module", "version", "packages", "scripts may require"),
                [
                    (
                        module.name,
                        module.version,
                        str(len(module.packages)),
                        ", ".join(one.name for one in module.entries),
                    )
                    for module in modules
                ],
            ),
            end="",
        )
    for one in refused:
        print(escaped_lines(f"problem: {one.name}@{one.version}: {one.reason}"), file=sys.stderr)
    return PROBLEMS_FOUND if refused else 0


def _refused(one: object) -> Mapping[str, str]:
    return {name: getattr(one, name) for name in ("name", "version", "reason")}


def _audit(arguments: argparse.Namespace) -> int:
    from sidecar.npm.advisories import find_advisories  # noqa: PLC0415
    from sidecar.npm.store import read_directory  # noqa: PLC0415

    directory, registry = _places(arguments)
    found = find_advisories(registry, read_directory(directory).modules)
    if arguments.json:
        print_json([{name: getattr(one, name) for name in one.__dataclass_fields__} for one in found])
    else:
        for one in found:
            within = "" if one.package == one.module else f", in {one.module}@{one.module_version}"
            print(escaped(f"{one.severity}: {one.package}@{one.version}{within}: {one.title} ({one.url})"))
        print(f"{len(found)} known problems" if found else "nothing is known against them")
    return PROBLEMS_FOUND if found else 0


def _bundle(arguments: argparse.Namespace) -> int:
    from sidecar.npm.offline import write_file  # noqa: PLC0415

    manifest, digest = write_file(_directory(arguments), arguments.file)
    size = arguments.file.stat().st_size
    print(f"{escaped(str(arguments.file))}: {len(manifest.modules)} modules, {size:,} bytes")
    print(f"SHA-512 {digest}")
    return 0


def _load(arguments: argparse.Namespace) -> int:
    from sidecar.npm.offline import load_file  # noqa: PLC0415

    directory = _directory(arguments)
    if arguments.sha512 is not None and not re.fullmatch(r"[0-9A-Fa-f]{128}", arguments.sha512):
        arguments.usage_error("--sha512: expected 128 hexadecimal digits")

    def load(folder: Path) -> "Manifest":
        return load_file(folder, arguments.file, arguments.sha512, _told)

    _require_tested(arguments, directory, load)
    manifest = load(directory)
    _say_installed(directory, manifest.modules)
    return 0


def _add_built(arguments: argparse.Namespace, directory: Path, built: "Sequence[Built]") -> None:
    from sidecar.npm.writing import add_modules  # noqa: PLC0415

    _require_tested(arguments, directory, lambda folder: add_modules(folder, built, _told))
    add_modules(directory, built, _told)


def _require_tested(arguments: argparse.Namespace, directory: Path, change: Callable[[Path], object]) -> None:
    """Show which scripts it changes. Raises ChangeRefused where they would not go on as they do, unless it is told to
    be done all the same."""
    from sidecar.cli.module_changes import ChangeRefused, require_tested  # noqa: PLC0415

    configuration = load_configuration(arguments.config).configuration
    try:
        require_tested(directory, change, configuration, arguments.tests, forced=arguments.force)
    except ChangeRefused as error:
        if not arguments.force:
            raise
        _told(str(error))


def _directory(arguments: argparse.Namespace) -> Path:
    if arguments.directory is not None:
        return Path(arguments.directory)
    return load_configuration(arguments.config).configuration.modules.directory


def _places(arguments: argparse.Namespace) -> tuple[Path, "Registry"]:
    """The directory, and the registry that is asked."""
    from sidecar.npm.registry import Registry  # noqa: PLC0415

    if arguments.registry is not None:
        url = arguments.registry
        try:
            parse_web_url(url)
        except ValueError as error:
            arguments.usage_error(f"--registry: {error}")
    else:
        url = load_configuration(arguments.config).configuration.modules.registry
    return _directory(arguments), Registry(url)


def _licences(arguments: argparse.Namespace) -> dict[str, str]:
    given = {}
    for setting in arguments.allow_licence:
        name, equals, licence = setting.partition("=")
        if not name or not equals or not licence.strip():
            arguments.usage_error(f"--allow-licence {setting!r}: expected PACKAGE=LICENCE")
        given[name] = licence.strip()
    return given


def _say_installed(directory: Path, modules: Iterable["Module"]) -> None:
    for module in modules:
        names = ", ".join(one.name for one in module.entries)
        absent = sorted({name for one in module.entries for name in one.absent})
        without = f"; does without {', '.join(absent)}" if absent else ""
        print(escaped(f"{module.name}@{module.version}: {_packages(module)}, for require of {names}{without}"))
    print(f"installed in {escaped(str(directory))}")


def _packages(module: "Module") -> str:
    number = len(module.packages)
    return f"{number} package{'s' if number > 1 else ''}"


def _told(line: str) -> None:
    print(escaped_lines(line), file=sys.stderr)
