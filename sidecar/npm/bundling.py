"""A module out of a tree of packages: one CommonJS text for each of its entries, and what is in it."""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

import msgspec
from msgspec import Meta

from sidecar.npm.core_modules import CORE_MODULES
from sidecar.npm.errors import BundleError, PackageRefused
from sidecar.npm.esbuild import run_esbuild
from sidecar.npm.licence import is_permissive, licence_of, notices_of
from sidecar.npm.manifest import BundledPackage, Entry, HashedFile, Module
from sidecar.npm.recipes import RECIPES
from sidecar.npm.store import TEXT_BYTES
from sidecar.npm.tree import Unpacked

ENTRIES: Final = 200
"""Of one module."""
ENTRY_CHARACTERS: Final = 150
"""Of an entry's name: it is a file's as well."""
METAFILE_BYTES: Final = 64_000_000

_OUT: Final = "out"
_LICENCE_OF_OURS: Final = "LicenseRef-ScriptForge-Sidecar"
_HASH_CHARACTERS: Final = 12


@dataclass(frozen=True, slots=True)
class Built:
    """A module as it goes into the store: its entry in the manifest, and the files of that."""

    module: Module
    files: Mapping[str, bytes]


class _Import(msgspec.Struct, frozen=True):
    path: str
    external: bool = False


class _Output(msgspec.Struct, frozen=True):
    inputs: dict[str, msgspec.Raw]
    imports: list[_Import]


class _Input(msgspec.Struct, frozen=True):
    imports: list[_Import]
    format: Annotated[str, Meta(max_length=10)] = ""


class _Metafile(msgspec.Struct, frozen=True):
    """https://esbuild.github.io/api/#metafile"""

    inputs: dict[str, _Input]
    outputs: dict[str, _Output]


def build(
    program: Path,
    folder: Path,
    package: Unpacked,
    packages: Sequence[Unpacked],
    *,
    entries: Iterable[str] = (),
    licences: Mapping[str, str] | None = None,
) -> Built:
    """Bundle a package that stands at the top of a tree in ``folder``, whose packages are ``packages``.

    ``entries``: files of the package beside its main one, as ``lib/sync``, each of which must be there. ``licences``:
    by name of a package, the licence that the operator says it has, and takes. Raises BundleError for what esbuild does
    not make one text, and PackageRefused for a licence that is none of the permissive ones, naming the package.
    """
    named = _entry_names(package, entries)
    with tempfile.TemporaryDirectory(prefix="bundle-", dir=folder) as name:
        work = Path(name).resolve()
        _write_entries(work, named)
        try:
            run_esbuild(
                program,
                work,
                f"--outdir={_OUT}",
                "--metafile=meta.json",
                *(f"{number}.js" for number in range(len(named))),
            )
        except BundleError as error:
            raise BundleError(f"{package.label}: cannot be made one text: {error}") from None
        metafile = _read_metafile(work / "meta.json", package.label)
        bundled = _bundled(metafile, work, packages, licences or {})
        files: dict[str, bytes] = {}
        built = []
        for number, entry in enumerate(named):
            text = (work / _OUT / f"{number}.js").read_bytes()
            if len(text) > TEXT_BYTES:
                raise BundleError(f"{package.label}: {entry} has {len(text)} bytes; a module may have {TEXT_BYTES}")
            hashed = _add(files, f"{entry}@{package.version}", ".js", text)
            imports = metafile.outputs[f"{_OUT}/{number}.js"].imports
            outside = {_core_name(one.path) for one in imports if one.external}
            built.append(
                Entry(
                    name=entry,
                    text=hashed,
                    requires=tuple(sorted(outside & CORE_MODULES)),
                    absent=tuple(sorted(outside - CORE_MODULES)),
                    es_module=_is_es_module(metafile, f"{number}.js"),
                )
            )
        notices = _add(files, f"{package.label}-notices", ".txt", _notices(bundled).encode(errors="replace"))
    return Built(
        Module(
            name=package.name,
            version=package.version,
            entries=tuple(built),
            packages=tuple(licensed for _, licensed in bundled),
            notices=notices,
        ),
        files,
    )


def _entry_names(package: Unpacked, entries: Iterable[str]) -> list[str]:
    recipe = RECIPES.get(package.name)
    known = [entry for entry in (recipe.entries if recipe else ()) if _has(package, entry)]
    wanted = [f"{package.name}/{entry}" for entry in dict.fromkeys([*known, *entries])]
    wanted.insert(0, package.name)
    if len(wanted) > ENTRIES:
        raise BundleError(f"{package.label}: a module has {ENTRIES} entries at most")
    for one in wanted:
        if len(one) > ENTRY_CHARACTERS or not one.isprintable() or ".." in one.split("/"):
            raise BundleError(f"{package.label}: {one[:ENTRY_CHARACTERS]!r} cannot be an entry")
    return wanted


def _has(package: Unpacked, entry: str) -> bool:
    exported = package.package_json.get("exports")
    if isinstance(exported, dict):
        return f"./{entry}" in exported
    return any((package.folder / f"{entry}{ending}").exists() for ending in (".js", ".cjs", ".mjs", "/package.json"))


def _write_entries(work: Path, named: Sequence[str]) -> None:
    # So that none in a folder above is taken for theirs.
    (work / "package.json").write_text("{}\n", encoding="utf-8")
    # What `require` gives in Node, by the conditions that a package has for it.
    for number, entry in enumerate(named):
        (work / f"{number}.js").write_text(f"module.exports = require({json.dumps(entry)});\n", encoding="utf-8")


def _read_metafile(file: Path, label: str) -> _Metafile:
    content = file.read_bytes()
    if len(content) > METAFILE_BYTES:
        raise BundleError(f"{label}: is made of too many files")
    return msgspec.json.decode(content, type=_Metafile)


def _is_es_module(metafile: _Metafile, source: str) -> bool:
    return any(
        metafile.inputs[one.path].format == "esm"
        for one in metafile.inputs[source].imports
        if one.path in metafile.inputs
    )


def _core_name(path: str) -> str:
    return path.removeprefix("node:")


def _bundled(
    metafile: _Metafile, work: Path, packages: Sequence[Unpacked], licences: Mapping[str, str]
) -> list[tuple[Path, BundledPackage]]:
    """The packages that texts have code of, each with its folder, by name. Raises PackageRefused."""
    by_folder = {one.folder.resolve(): one for one in packages}
    folders = set()
    for file in {file for output in metafile.outputs.values() for file in output.inputs}:
        found_in = _package_folder((work / file).resolve(), by_folder)
        if found_in is not None:
            folders.add(found_in)
        elif (work / file).resolve().parent != work:
            # A node_modules in a folder above, which anybody may have made, as below /tmp.
            raise BundleError(f"{(work / file).resolve()}: is of no package that was fetched")
    found = []
    for folder in sorted(folders):
        one = by_folder[folder]
        found.append((folder, _licensed(one, licences)))
    return sorted(found, key=lambda pair: (pair[1].name, pair[1].version))


def _package_folder(file: Path, by_folder: Mapping[Path, Unpacked]) -> Path | None:
    for parent in file.parents:
        if parent in by_folder:
            return parent
    return None


def _licensed(package: Unpacked, licences: Mapping[str, str]) -> BundledPackage:
    stated = licence_of(package.package_json) if package.integrity else _LICENCE_OF_OURS
    if package.name in licences:
        stated = licences[package.name]
    elif package.integrity and not is_permissive(stated):
        why = f"is under {stated}" if stated else "declares no licence"
        raise PackageRefused(
            f"{package.label}: {why}; where you may use it all the same, say under what: --allow-licence"
            f" {package.name}={stated or 'LICENCE'}"
        )
    return BundledPackage(name=package.name, version=package.version, licence=stated, integrity=package.integrity)


def _notices(bundled: Iterable[tuple[Path, BundledPackage]]) -> str:
    parts = []
    for folder, package in bundled:
        if package.integrity:
            text = notices_of(folder) or "(it brings along no licence's text)"
            parts.append(f"{package.name} {package.version}, {package.licence}\n\n{text}\n")
    return f"\n{'-' * 80}\n\n".join(parts)


def _add(files: dict[str, bytes], label: str, ending: str, content: bytes) -> HashedFile:
    """The name has a part of the hash, so that no file that a manifest names is ever written over."""
    digest = hashlib.sha512(content).hexdigest()
    name = f"{quote(label, safe='@+')}-{digest[:_HASH_CHARACTERS]}{ending}"
    files[name] = content
    return HashedFile(file=name, sha512=digest)
