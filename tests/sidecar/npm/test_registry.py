"""What a registry answers is what it is said to be, or an error that says what is wrong."""

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler

import pytest

from sidecar.npm import registry as registry_module
from sidecar.npm.errors import IntegrityError, LockError, RegistryError, UnknownPackage
from sidecar.npm.lock import Locked
from sidecar.npm.registry import Registry
from tests.sidecar.npm.local_registry import Answer, LocalRegistry, answer, integrity_of


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "WAITS", (0.0, 0.0))


def locked(url: str, content: bytes) -> Locked:
    return Locked(version="1.0.0", resolved=url, integrity=integrity_of(content))


def fetched(registry: LocalRegistry, path: str, content: bytes) -> bytes:
    (found,) = Registry(registry.url).archives([locked(registry.url + path, content)])
    return found


def test_what_is_published_is_found(registry: LocalRegistry) -> None:
    registry.publish("a", "1.2.0")
    registry.publish("@s/b", "2.0.0")
    found = Registry(registry.url + "/").packuments(["a", "@s/b"])
    assert {name: one.tags for name, one in found.items()} == {"a": {"latest": "1.2.0"}, "@s/b": {"latest": "2.0.0"}}
    assert sorted(registry.asked) == ["/@s%2Fb", "/a"]


def test_a_package_that_is_not_there_is_said(registry: LocalRegistry) -> None:
    registry.publish("a")
    with pytest.raises(UnknownPackage, match=rf"nope: {registry.url} has no package of this name"):
        Registry(registry.url).packuments(["a", "nope"])


def test_archives_come_in_their_order(registry: LocalRegistry) -> None:
    contents = [bytes([number]) * 100 for number in range(40)]
    packages = []
    for number, content in enumerate(contents):
        registry.serve(f"/{number}.tgz", content)
        packages.append(locked(f"{registry.url}/{number}.tgz", content))
    assert list(Registry(registry.url).archives(packages)) == contents


def test_a_changed_archive_is_refused(registry: LocalRegistry) -> None:
    registry.serve("/a.tgz", b"other")
    with pytest.raises(IntegrityError, match=rf"{registry.url}/a\.tgz: its SHA-512 is not sha512-"):
        fetched(registry, "/a.tgz", b"content")


def test_a_mirror_has_what_the_lock_file_has_of_npms(registry: LocalRegistry) -> None:
    registry.serve("/a/-/a-1.0.0.tgz", b"content")
    package = locked("https://registry.npmjs.org/a/-/a-1.0.0.tgz", b"content")
    assert list(Registry(registry.url).archives([package])) == [b"content"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/a.tgz", "/a.tgz", "data:,x"])
def test_only_http_is_fetched(registry: LocalRegistry, url: str) -> None:
    with pytest.raises(LockError, match="no address of a registry's archive"):
        list(Registry(registry.url).archives([locked(url, b"")]))


def redirect(to: str) -> Answer:
    return lambda handler: answer(handler, b"", status=302, headers={"Location": to})


def test_redirects_are_followed(registry: LocalRegistry) -> None:
    registry.serve("/there.tgz", b"content")
    registry.answers["/a.tgz"] = redirect("/b.tgz")
    registry.answers["/b.tgz"] = redirect(f"{registry.url}/there.tgz")
    assert fetched(registry, "/a.tgz", b"content") == b"content"


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/a"])
def test_redirects_elsewhere_are_not(registry: LocalRegistry, to: str) -> None:
    registry.answers["/a.tgz"] = redirect(to)
    with pytest.raises(RegistryError, match=f"redirects to {to}, which is not followed"):
        fetched(registry, "/a.tgz", b"content")


def test_redirects_without_end_are_not(registry: LocalRegistry) -> None:
    for number in range(20):
        registry.answers[f"/{number}.tgz"] = redirect(f"/{number + 1}.tgz")
    with pytest.raises(RegistryError, match="redirects more than 5 times"):
        fetched(registry, "/0.tgz", b"content")
    assert len(registry.asked) == 6


def test_a_redirect_from_https_to_http_is_not_followed() -> None:
    import urllib.request  # noqa: PLC0415 - of this test alone

    asked = urllib.request.Request("https://r.example/a.tgz")
    with pytest.raises(RegistryError, match="which is not followed"):
        registry_module._Redirects().redirect_request(asked, None, 302, "", {}, "http://r.example/a.tgz")


def test_what_is_lost_is_asked_for_again(registry: LocalRegistry) -> None:
    registry.serve("/there.tgz", b"content")
    left = [503, 500]

    def lost(handler: BaseHTTPRequestHandler) -> None:
        answer(handler, b"content" if not left else b"", status=left.pop() if left else 200)

    registry.answers["/a.tgz"] = lost
    assert fetched(registry, "/a.tgz", b"content") == b"content"
    assert registry.asked == ["/a.tgz"] * 3


def test_what_stays_lost_is_said(registry: LocalRegistry) -> None:
    registry.answers["/a.tgz"] = lambda handler: answer(handler, b"", status=503)
    with pytest.raises(RegistryError, match=r"/a\.tgz: answers with 503 Service Unavailable"):
        fetched(registry, "/a.tgz", b"content")
    assert len(registry.asked) == 3


def test_what_is_forbidden_is_said_at_once(registry: LocalRegistry) -> None:
    registry.answers["/a.tgz"] = lambda handler: answer(handler, b"", status=403)
    with pytest.raises(RegistryError, match=r"/a\.tgz: answers with 403 Forbidden"):
        fetched(registry, "/a.tgz", b"content")
    assert len(registry.asked) == 1


def test_an_archive_is_bounded(registry: LocalRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "ARCHIVE_BYTES", 1_000)
    content = bytes(1_001)
    registry.serve("/a.tgz", content)
    with pytest.raises(RegistryError, match="has more than 1000 bytes"):
        fetched(registry, "/a.tgz", content)


def test_an_answer_that_is_small_only_as_long_as_it_is_packed_is_bounded(
    registry: LocalRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_module, "PACKUMENT_BYTES", 100_000)
    packed = gzip.compress(bytes(50_000_000))
    registry.answers["/a"] = lambda handler: answer(handler, packed, headers={"Content-Encoding": "gzip"})
    with pytest.raises(RegistryError, match="has more than 100000 bytes"):
        Registry(registry.url).packuments(["a"])


def test_an_answer_without_end_is_ended(registry: LocalRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "WHOLE_SECONDS", 0.0)
    registry.serve("/a.tgz", b"content")
    with pytest.raises(RegistryError, match="is not at its end after 0 s"):
        fetched(registry, "/a.tgz", b"content")


@pytest.mark.parametrize("packed", [b"no gzip", gzip.compress(b"{}", mtime=0)[:-3], b""])
def test_an_answer_that_is_not_packed_as_it_says_is_an_error(registry: LocalRegistry, packed: bytes) -> None:
    registry.answers["/a"] = lambda handler: answer(handler, packed, headers={"Content-Encoding": "gzip"})
    with pytest.raises(RegistryError, match=f"^{registry.url}/a: "):
        Registry(registry.url).packuments(["a"])


def test_an_answer_that_breaks_off_is_an_error(registry: LocalRegistry) -> None:
    def broken(handler: BaseHTTPRequestHandler) -> None:
        answer(handler, b"con", headers={"Content-Length": "7"})
        handler.close_connection = True

    registry.answers["/a.tgz"] = broken
    with pytest.raises(RegistryError, match=r"/a\.tgz: cannot be fetched: "):
        fetched(registry, "/a.tgz", b"content")
    assert len(registry.asked) == 3


@pytest.fixture
def garbage() -> Iterator[str]:
    """A server that speaks no HTTP."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1_000)
                    connection.sendall(b"\x00\x01 what\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_what_speaks_no_http_is_an_error(garbage: str) -> None:
    with pytest.raises(RegistryError, match=f"^{garbage}/a: cannot be fetched: "):
        Registry(garbage).packuments(["a"])


def test_where_nobody_is_the_way_without_a_network_is_named() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(
        RegistryError, match=r"Connection refused\. Behind a proxy set https_proxy; .* modules load FILE"
    ):
        Registry(url).packuments(["a"])


def test_a_proxy_of_the_environment_is_asked(registry: LocalRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.publish("a")
    registry.answers["http://registry.example/a"] = lambda handler: answer(handler, registry.content("/a") or b"")
    monkeypatch.setenv("http_proxy", registry.url)
    monkeypatch.delenv("no_proxy", raising=False)
    assert list(Registry("http://registry.example").packuments(["a"])) == ["a"]
    assert registry.asked == ["http://registry.example/a"]


def test_advisories_are_asked_by_name_and_version(registry: LocalRegistry) -> None:
    registry.advisories = {"a": [{"severity": "high", "vulnerable_versions": "<2"}], "z": []}
    found = Registry(registry.url).advisories({"a": {"1.0.0"}, "b": {"1.0.0"}})
    assert found == {"a": [{"severity": "high", "vulnerable_versions": "<2"}]}
    assert registry.asked == ["/-/npm/v1/security/advisories/bulk"]
