"""A registry of npm packages on this machine: what tests publish there is served over HTTP as npm's own serves it."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

ADVISORIES_PATH = "/-/npm/v1/security/advisories/bulk"
Answer = Callable[[BaseHTTPRequestHandler], None]


def integrity_of(content: bytes) -> str:
    return f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"


def archive_of(files: Mapping[str, bytes | str], *more: tarfile.TarInfo) -> bytes:
    """As npm packs them, below ``package/``; ``more`` are entries as they are."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            content = text.encode() if isinstance(text, str) else text
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in more:
            archive.addfile(member)
    return packed.getvalue()


class LocalRegistry:
    """What is published, and what was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.packuments: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, Answer] = {}
        """By path, in place of what is published."""
        self.advisories: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[str] = []
        self._archives: dict[str, bytes] = {}

    def publish(
        self,
        name: str,
        version: str = "1.0.0",
        files: Mapping[str, bytes | str] | None = None,
        *,
        archive: bytes | None = None,
        **fields: Any,
    ) -> bytes:
        """One release; the archive of it. ``fields`` are those of its package.json."""
        package_json = {"name": name, "version": version, "license": "MIT", **fields}
        package_json = {key: value for key, value in package_json.items() if value is not None}
        if archive is None:
            archive = archive_of({"package.json": json.dumps(package_json), **(files or {"index.js": ""})})
        path = f"/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
        self.serve(path, archive)
        packument = self.packuments.setdefault(name, {"name": name, "dist-tags": {}, "versions": {}})
        packument["dist-tags"]["latest"] = version
        packument["versions"][version] = {
            **package_json,
            "dist": {"tarball": self.url + path, "integrity": integrity_of(archive)},
        }
        return archive

    def serve(self, path: str, content: bytes) -> None:
        """The content at a path."""
        self._archives[path] = content

    def content(self, path: str) -> bytes | None:
        """What is at a path; None for nothing."""
        name = unquote(path.removeprefix("/"))
        if name in self.packuments:
            return json.dumps(self.packuments[name]).encode()
        return self._archives.get(path)


@contextmanager
def local_registry() -> Iterator[LocalRegistry]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            registry.asked.append(self.path)
            if self.path in registry.answers:
                registry.answers[self.path](self)
                return
            content = registry.content(self.path)
            if content is None:
                answer(self, b"{}", status=404)
            elif self.path.endswith(".tgz"):
                answer(self, content)
            else:
                answer(self, gzip.compress(content), headers={"Content-Encoding": "gzip"})

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            registry.asked.append(self.path)
            if self.path in registry.answers:
                registry.answers[self.path](self)
                return
            if self.path != ADVISORIES_PATH or self.headers["Content-Type"] != "application/json":
                answer(self, b'{"message":"Not Found"}', status=404)
                return
            asked: dict[str, list[str]] = json.loads(content)
            known = {name: found for name, found in registry.advisories.items() if asked.get(name)}
            answer(self, gzip.compress(json.dumps(known).encode()), headers={"Content-Encoding": "gzip"})

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry = LocalRegistry(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(
    handler: BaseHTTPRequestHandler, content: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)
