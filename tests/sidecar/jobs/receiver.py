"""A receiver of webhooks: a real server that keeps what it is told, and answers as it is told to."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Told:
    """One request."""

    def __init__(self, path: str, headers: Any, body: bytes) -> None:
        self.path = path
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.id = headers["webhook-id"]
        self.timestamp = headers["webhook-timestamp"]
        self.signatures = headers["webhook-signature"].split()
        self.body = body
        self.event: Any = json.loads(body)

    def is_signed(self, secret: str) -> bool:
        """As the specification has receivers look at it."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.id}.{self.timestamp}.".encode() + self.body
        wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return wanted in self.signatures and abs(time.time() - int(self.timestamp)) < 300


class Receiver:
    """Answers 204, or what is said of a path: a status, a list of them in turn, or seconds as a float."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.answers: dict[str, Any] = {}
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.answer(self, Told(self.path, self.headers, body))

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def answer(self, handler: BaseHTTPRequestHandler, told: Told) -> None:
        with self._lock:
            wanted = self.answers.get(told.path, 204)
            if isinstance(wanted, list):
                wanted = wanted[min(self.asked[told.path], len(wanted) - 1)]
            self.asked[told.path] += 1
            self.told.append(told)
        if isinstance(wanted, float):
            self._closing.wait(wanted)
            wanted = 204
        handler.send_response(wanted)
        if 300 <= wanted < 400:
            handler.send_header("Location", self.url("/elsewhere"))
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def at(self, path: str) -> list[Told]:
        with self._lock:
            return [one for one in self.told if one.path == path]

    def close(self) -> None:
        self._closing.set()
        self.server.shutdown()
        self.server.server_close()
