"""Whoever reads the folder of modules has those of before or those of after, whatever becomes of who writes."""

import errno
import hashlib
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from sidecar.npm import writing
from sidecar.npm.bundling import Built
from sidecar.npm.errors import StoreError
from sidecar.npm.manifest import FILE_NAME, BundledPackage, Entry, HashedFile, Module
from sidecar.npm.offline import load_file, write_file
from sidecar.npm.store import read_store
from sidecar.npm.writing import add_modules, remove_module


def built(name: str, version: str = "1.0.0", text: str = "exports.a = 1;") -> Built:
    file = name.replace("/", "+")
    files = {f"{file}-{hashlib.sha512(text.encode()).hexdigest()[:12]}.js": text.encode(), f"{file}-notice.txt": b"MIT"}
    hashed = [HashedFile(file=file, sha512=hashlib.sha512(content).hexdigest()) for file, content in files.items()]
    entry = Entry(name=name, text=hashed[0], requires=(), es_module=False)
    package = BundledPackage(name=name, version=version, licence="MIT", integrity="sha512-AA==")
    return Built(Module(name=name, version=version, entries=(entry,), packages=(package,), notices=hashed[1]), files)


def told(line: str) -> None:
    raise AssertionError(line)


def found(directory: Path) -> list[str]:
    store = read_store(directory)
    assert store.refused == ()
    return [f"{one.name}@{one.version}: {one.text()}" for one in store.modules]


def test_modules_are_added_beside_others_in_the_order_of_their_versions(tmp_path: Path) -> None:
    directory = tmp_path / "state" / "modules"
    add_modules(directory, [built("b", "10.0.0"), built("b", "9.0.0")], told)
    add_modules(directory, [built("a"), built("b", "10.0.0-rc.1")], told)
    assert [line.split(":")[0] for line in found(directory)] == ["a@1.0.0", "b@9.0.0", "b@10.0.0-rc.1", "b@10.0.0"]


def test_the_same_version_is_replaced_and_its_old_text_removed(tmp_path: Path) -> None:
    add_modules(tmp_path, [built("a", text="1")], told)
    before = set(tmp_path.iterdir())
    add_modules(tmp_path, [built("a", text="2")], told)
    assert found(tmp_path) == ["a@1.0.0: 2"]
    assert len(set(tmp_path.iterdir())) == len(before)


def test_others_may_read_what_is_written(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        add_modules(tmp_path / "modules", [built("a")], told)
    finally:
        os.umask(before)
    files = [file for file in (tmp_path / "modules").iterdir() if file.name != writing.LOCK_NAME]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o644}
    assert (tmp_path / "modules").stat().st_mode & 0o777 == 0o755


def test_all_versions_or_one_are_removed_with_their_files(tmp_path: Path) -> None:
    add_modules(tmp_path, [built("a", "1.0.0", "1"), built("a", "2.0.0", "2"), built("b")], told)
    assert [one.version for one in remove_module(tmp_path, "a", "1.0.0", told)] == ["1.0.0"]
    assert found(tmp_path) == ["a@2.0.0: 2", "b@1.0.0: exports.a = 1;"]
    assert remove_module(tmp_path, "a", "1.0.0", told) == []
    assert [one.version for one in remove_module(tmp_path, "a", None, told)] == ["2.0.0"]
    assert sorted(file.name[:2] for file in tmp_path.iterdir()) == [".l", "b-", "b-", "ma"]


def test_where_nothing_is_installed_nothing_is_removed_or_made(tmp_path: Path) -> None:
    assert remove_module(tmp_path / "none", "a", None, told) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", range(3))
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    add_modules(tmp_path, [built("a")], told)
    before = sorted(tmp_path.iterdir())
    writes = 0
    sync = os.fsync

    def full(descriptor: int) -> None:
        nonlocal writes
        if not os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112 - a descriptor
            writes += 1
            if writes > failing:
                raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="no room left on the disk; nothing is installed"):
        add_modules(tmp_path, [built("b", text="2")], told)
    assert sorted(tmp_path.iterdir()) == before
    assert found(tmp_path) == ["a@1.0.0: exports.a = 1;"]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file/modules: cannot be written: Not a directory"):
        add_modules(tmp_path / "file" / "modules", [built("a")], told)


def _killed_at(directory: Path, number: int) -> None:
    replace = Path.replace
    left = number

    def killing(self: Path, target: Path) -> Path:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return replace(self, target)

    Path.replace = killing  # type: ignore[method-assign, assignment]
    add_modules(directory, [built("a", text="2"), built("b", text="2")], told)


@pytest.mark.parametrize("number", range(5))
def test_killed_at_any_file_it_leaves_what_was_there(tmp_path: Path, number: int) -> None:
    add_modules(tmp_path, [built("a", text="1")], told)
    process = multiprocessing.get_context("fork").Process(target=_killed_at, args=(tmp_path, number))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert found(tmp_path) == ["a@1.0.0: 1"]
    add_modules(tmp_path, [built("c")], told)
    assert sorted(file.name[:2] for file in tmp_path.iterdir()) == [".l", "a-", "a-", "c-", "c-", "ma"]


def _add_many(directory: Path, name: str) -> None:
    for number in range(20):
        add_modules(directory, [built(name, f"1.{number}.0", f"{name} {number}")], lambda _line: None)


def test_two_at_once_lose_nothing_of_each_other_and_readers_see_no_half(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_add_many, args=(tmp_path, name)) for name in ("a", "b")]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        found(tmp_path)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert len(found(tmp_path)) == 40


def test_one_file_has_all_that_is_installed(tmp_path: Path) -> None:
    add_modules(tmp_path / "one", [built("a", text="1"), built("b", text="2")], told)
    file = tmp_path / "modules.tar.gz"
    _, digest = write_file(tmp_path / "one", file)
    assert digest == hashlib.sha512(file.read_bytes()).hexdigest()
    assert file.stat().st_mode & 0o777 == 0o644
    add_modules(tmp_path / "other", [built("a", text="0"), built("c", text="3")], told)
    load_file(tmp_path / "other", file, digest.upper(), told)
    assert found(tmp_path / "other") == ["a@1.0.0: 1", "b@1.0.0: 2", "c@1.0.0: 3"]
    with pytest.raises(StoreError, match="is there already"):
        write_file(tmp_path / "one", file)


def test_a_file_is_written_of_nothing_that_was_changed(tmp_path: Path) -> None:
    add_modules(tmp_path, [built("a")], told)
    next(tmp_path.glob("a-*.js")).write_text("exports.a = 2;")
    with pytest.raises(StoreError, match=r"a-.*\.js has been changed"):
        write_file(tmp_path, tmp_path / "file")
    with pytest.raises(StoreError, match="nothing is installed"):
        write_file(tmp_path / "none", tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_a_file_that_was_changed_on_its_way_is_not_loaded(tmp_path: Path) -> None:
    add_modules(tmp_path / "one", [built("a")], told)
    file = tmp_path / "file"
    write_file(tmp_path / "one", file)
    with pytest.raises(StoreError, match="its SHA-512 is not the one that was given"):
        load_file(tmp_path / "other", file, "0" * 128, told)
    content = file.read_bytes()
    for wrong in (b"", content[:-50], b"something else", content[:100] + b"\0" * 40 + content[140:]):
        file.write_bytes(wrong)
        with pytest.raises(StoreError, match=f"^{file}: "):
            load_file(tmp_path / "other", file, None, told)
    with pytest.raises(StoreError, match="No such file"):
        load_file(tmp_path / "other", tmp_path / "none", None, told)
    assert not (tmp_path / "other").exists()


def repacked(file: Path, **changed: bytes) -> None:
    import io  # noqa: PLC0415 - of these tests alone
    import tarfile  # noqa: PLC0415

    packed = io.BytesIO()
    with tarfile.open(file) as old, tarfile.open(fileobj=packed, mode="w:gz") as new:
        for member in old.getmembers():
            content = old.extractfile(member).read()  # type: ignore[union-attr]
            content = changed.get(member.name.rpartition(".")[2], content)
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    file.write_bytes(packed.getvalue())


@pytest.mark.parametrize(
    ("ending", "content", "reason"),
    [
        ("js", b"exports.a = 2;", "has been changed"),
        ("txt", b"", "has been changed"),
        ("json", b"{}{}", "manifest.json: "),
    ],
)
def test_a_file_with_another_text_is_not_loaded(tmp_path: Path, ending: str, content: bytes, reason: str) -> None:
    add_modules(tmp_path / "one", [built("a")], told)
    file = tmp_path / "file"
    write_file(tmp_path / "one", file)
    repacked(file, **{ending: content})
    with pytest.raises(StoreError, match=reason):
        load_file(tmp_path / "other", file, None, told)
    assert not (tmp_path / "other" / FILE_NAME).exists()


def test_a_file_with_a_path_elsewhere_is_not_loaded(tmp_path: Path) -> None:
    import tarfile  # noqa: PLC0415

    for name, kind in (
        ("../up", tarfile.REGTYPE),
        ("/up", tarfile.REGTYPE),
        ("link", tarfile.SYMTYPE),
        ("..", tarfile.REGTYPE),
    ):
        file = tmp_path / "file"
        member = tarfile.TarInfo(name)
        member.type = kind
        with tarfile.open(file, "w:gz") as archive:
            archive.addfile(member)
        with pytest.raises(StoreError, match="which is no file of an installation"):
            load_file(tmp_path / "other", file, None, told)
