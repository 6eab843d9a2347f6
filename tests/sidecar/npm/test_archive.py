"""A stranger's archive is written below one folder, or refused by the name of what is wrong in it."""

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.npm import archive
from sidecar.npm.archive import install_scripts, read_package_json, refuse_native, unpack
from sidecar.npm.errors import PackageRefused
from tests.sidecar.npm.local_registry import archive_of


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = link
    return member


def test_files_are_written_without_the_archives_own_folder(tmp_path: Path) -> None:
    unpack(
        archive_of({"package.json": "{}", "lib/a b.js": "1"}, entry("package/empty", tarfile.DIRTYPE)), tmp_path, "a"
    )
    assert sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*")) == [
        "lib",
        "lib/a b.js",
        "package.json",
    ]
    assert (tmp_path / "lib/a b.js").read_text() == "1"


def test_no_file_is_executable_whatever_its_mode(tmp_path: Path) -> None:
    member = entry("package/run")
    member.mode = 0o4777
    unpack(archive_of({}, member), tmp_path, "a")
    assert (tmp_path / "run").stat().st_mode & 0o7111 == 0


@pytest.mark.parametrize(
    "name",
    ["package/../../up", "/etc/up", "package/a/../../../up", "package", "package/a\\..\\b", "package/a\nb", "x" * 600],
)
def test_a_path_that_is_none_within_the_package_is_refused(tmp_path: Path, name: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    with pytest.raises(PackageRefused, match="which is no path within it"):
        unpack(archive_of({"package.json": "{}"}, entry(name)), inner, "a@1.0.0")
    assert list(tmp_path.iterdir()) == [inner]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(PackageRefused, match=r"a@1.0.0: its archive has 'package/link', which is no plain file"):
        unpack(archive_of({}, entry("package/link", kind, "/etc/passwd")), tmp_path, "a@1.0.0")
    assert list(tmp_path.iterdir()) == []


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "UNPACKED_BYTES", 1_000_000)
    bomb = archive_of({"big": bytes(50_000_000)})
    assert len(bomb) < 100_000
    with pytest.raises(PackageRefused, match="more than 1000000 bytes unpacked"):
        unpack(bomb, tmp_path, "a")


def test_a_bomb_in_the_name_of_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "UNPACKED_BYTES", 1_000_000)
    with pytest.raises(PackageRefused):
        unpack(archive_of({"n" * 5_000_000: ""}), tmp_path, "a")


def test_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "FILES", 3)
    with pytest.raises(PackageRefused, match="more than 3 files"):
        unpack(archive_of(dict.fromkeys("abcd", "")), tmp_path, "a")


def test_a_file_that_is_a_folder_as_well_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageRefused, match="as a file and as a folder"):
        unpack(archive_of({"a": "", "a/b": ""}), tmp_path, "a")
    with pytest.raises(PackageRefused, match="as a file and as a folder"):
        unpack(archive_of({"c/b": "", "c": ""}), tmp_path, "a")


@pytest.mark.parametrize(
    "content",
    [b"", b"nothing", gzip.compress(b"nothing at all"), archive_of({"a": "b" * 10_000})[:-40], archive_of({})],
    ids=["nothing", "text", "packed text", "cut off", "empty"],
)
def test_what_is_no_whole_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(PackageRefused):
        unpack(content, tmp_path, "a")


@given(st.binary(max_size=2_000), st.integers(0, 2_000))
def test_any_bytes_are_an_archive_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes, place: int) -> None:
    whole = bytearray(gzip.decompress(archive_of({"package.json": "{}", "b": "text"})))
    whole[place : place + len(raw)] = raw
    folder = tmp_path_factory.mktemp("any")
    for content in (raw, gzip.compress(bytes(whole))):
        try:
            unpack(content, folder, "a")
        except PackageRefused as error:
            assert str(error).startswith("a: ")  # noqa: PT017 - most bytes are refused


def test_a_package_json_is_read(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_bytes(b'\xef\xbb\xbf{"name":"a"}')
    assert read_package_json(tmp_path, "a") == {"name": "a"}


@pytest.mark.parametrize("content", [None, b"", b"[]", b"\xff", b'{"a":', b"[" * 50_000, b" " * 3_000_000])
def test_a_package_json_that_is_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "package.json").write_bytes(content)
    with pytest.raises(PackageRefused, match=r"a: .*package\.json"):
        read_package_json(tmp_path, "a")


@pytest.mark.parametrize(
    ("files", "package_json"),
    [(["binding.gyp"], {}), (["prebuilds/linux-x64/a.node"], {}), ([], {"gypfile": True})],
)
def test_native_code_is_refused(tmp_path: Path, files: list[str], package_json: dict[str, Any]) -> None:
    unpack(archive_of({"index.js": "", **dict.fromkeys(files, "")}), tmp_path, "a")
    with pytest.raises(PackageRefused, match=r"^a: .* which scripts cannot load$"):
        refuse_native(tmp_path, package_json, "a")


def test_what_npm_would_run_is_named() -> None:
    assert install_scripts({"scripts": {"postinstall": "curl", "test": "x", "preinstall": "y"}}) == [
        "preinstall",
        "postinstall",
    ]
    assert install_scripts({"scripts": "none"}) == []
    assert install_scripts({}) == []


def test_only_so_much_of_a_member_is_read_as_there_is(tmp_path: Path) -> None:
    member = tarfile.TarInfo("package/a")
    member.size = 1_000_000_000
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="w") as written:
        written.write(member.tobuf() + b"short")
    with pytest.raises(PackageRefused):
        unpack(packed.getvalue(), tmp_path, "a")
