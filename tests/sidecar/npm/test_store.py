"""What is read of the folder of installed modules is what was installed, or is refused by its name."""

import hashlib
import json
from pathlib import Path

import pytest

from sidecar.npm import store
from sidecar.npm.errors import StoreError
from sidecar.npm.manifest import FILE_NAME, BundledPackage, Entry, HashedFile, Manifest, Module, manifest_bytes
from sidecar.npm.store import Store, package_of, read_directory, read_store


def placed(directory: Path, file: str, content: bytes) -> HashedFile:
    (directory / file).write_bytes(content)
    return HashedFile(file=file, sha512=hashlib.sha512(content).hexdigest())


def module(directory: Path, name: str, version: str, *paths: str, requires: tuple[str, ...] = ()) -> Module:
    entries = []
    for path in ("", *paths):
        entry = name + path
        text = placed(
            directory, f"{entry.replace('/', '+')}@{version}.js", f"exports.of = '{entry} {version}';".encode()
        )
        entries.append(Entry(name=entry, text=text, requires=requires, es_module=False))
    packages = (BundledPackage(name=name, version=version, licence="MIT", integrity="sha512-AA=="),)
    notices = placed(directory, f"{name.replace('/', '+')}@{version}.txt", b"MIT")
    return Module(name=name, version=version, entries=tuple(entries), packages=packages, notices=notices)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    modules = (
        module(tmp_path, "csv-parse", "4.16.3", "/lib/sync", requires=("buffer", "stream")),
        module(tmp_path, "csv-parse", "5.6.0", requires=("stream",)),
        module(tmp_path, "moment", "2.31.0"),
    )
    (tmp_path / FILE_NAME).write_bytes(manifest_bytes(Manifest(modules=modules)))
    return tmp_path


def test_a_folder_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert read_store(tmp_path / "modules") == Store()


def test_each_entry_has_its_text(installed: Path) -> None:
    found = read_store(installed)
    assert found.refused == ()
    assert list(found.names()) == ["csv-parse", "csv-parse/lib/sync", "moment"]
    old = found.find("csv-parse", "4.16.3")
    assert old is not None
    assert old.text() == "exports.of = 'csv-parse 4.16.3';"
    assert old.text("csv-parse/lib/sync") == "exports.of = 'csv-parse/lib/sync 4.16.3';"
    assert old.requires == {"buffer", "stream"}
    assert [package.licence for package in old.packages] == ["MIT"]
    with pytest.raises(KeyError):
        old.text("moment")


@pytest.mark.parametrize(
    ("entry", "version", "found"),
    [
        ("csv-parse", None, "5.6.0"),
        ("csv-parse", "4.16.3", "4.16.3"),
        ("csv-parse/lib/sync", None, "4.16.3"),
        ("csv-parse/lib/sync", "5.6.0", None),
        ("csv-parse", "4.0.0", None),
        ("csv", None, None),
    ],
)
def test_the_newest_version_that_has_an_entry_is_found(
    installed: Path, entry: str, version: str | None, found: str | None
) -> None:
    one = read_store(installed).find(entry, version)
    assert (one and one.version) == found


@pytest.mark.parametrize(("entry", "package"), [("a", "a"), ("a/b/c", "a"), ("@a/b", "@a/b"), ("@a/b/c/d", "@a/b")])
def test_an_entry_names_its_package(entry: str, package: str) -> None:
    assert package_of(entry) == package


def test_a_changed_text_is_refused_by_name_and_no_other(installed: Path) -> None:
    text = installed / "csv-parse+lib+sync@4.16.3.js"
    text.write_bytes(text.read_bytes() + b" ")
    found = read_store(installed)
    assert [(one.name, one.version) for one in found.modules] == [("csv-parse", "5.6.0"), ("moment", "2.31.0")]
    (refused,) = found.refused
    assert (refused.name, refused.version) == ("csv-parse", "4.16.3")
    assert refused.reason == f"{text.name} has been changed: its SHA-512 is not the manifest's"


def test_a_missing_and_an_unreadable_text_are_refused(installed: Path) -> None:
    (installed / "moment@2.31.0.js").unlink()
    (installed / "csv-parse@5.6.0.js").unlink()
    (installed / "csv-parse@5.6.0.js").mkdir()
    reasons = {one.name: one.reason for one in read_store(installed).refused}
    assert reasons["moment"] == "moment@2.31.0.js is missing"
    assert reasons["csv-parse"].startswith("csv-parse@5.6.0.js: ")


def test_texts_that_are_no_utf_8_or_too_long_are_refused(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = read_directory(installed)
    content = b"\xff"
    text = placed(installed, "moment@2.31.0.js", content)
    entry = Entry(name="moment", text=text, requires=(), es_module=False)
    (moment,) = [one for one in manifest.modules if one.name == "moment"]
    changed = Module(name="moment", version="2.31.0", entries=(entry,), packages=(), notices=moment.notices)
    (installed / FILE_NAME).write_bytes(manifest_bytes(Manifest(modules=(*manifest.modules[:2], changed))))
    assert [one.name for one in read_store(installed).refused] == ["moment"]
    monkeypatch.setattr(store, "TEXT_BYTES", 35)
    refused = read_store(installed).refused
    assert [(one.name, one.version) for one in refused] == [("csv-parse", "4.16.3"), ("moment", "2.31.0")]
    assert refused[0].reason == "csv-parse+lib+sync@4.16.3.js has more than 35 bytes"


def test_all_texts_together_are_bounded(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "STORE_BYTES", 110)
    found = read_store(installed)
    assert [one.name for one in found.modules] == ["csv-parse", "csv-parse"]
    assert [one.name for one in found.refused] == ["moment"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"format":2,"modules":[]}',
        b'{"format":1,"modules":[],"more":1}',
        json.dumps({"format": 1, "modules": [{"name": "a"}]}).encode(),
    ],
)
def test_a_manifest_that_is_none_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(StoreError, match=r"manifest\.json: "):
        read_store(tmp_path)


@pytest.mark.parametrize("file", ["../outside.js", "/etc/passwd", "a/b.js", ""])
def test_a_manifest_names_no_file_elsewhere(installed: Path, file: str) -> None:
    manifest = json.loads((installed / FILE_NAME).read_bytes())
    manifest["modules"][0]["entries"][0]["text"]["file"] = file
    (installed / FILE_NAME).write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match=r"text\.file"):
        read_store(installed)


def test_a_manifest_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(StoreError, match=FILE_NAME):
        read_store(tmp_path)
