"""A web server on loopback that scripts of a daemon ask: one number is known, one hangs, one breaks off."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Pages(http.server.BaseHTTPRequestHandler):
    released: threading.Event

    def do_GET(self) -> None:
        if self.path == "/hangs":
            self.released.wait(30)
            return
        if self.path == "/breaks":
            return
        known = self.path == "/491"
        body = b'{"cli": "+4930"}' if known else b"Not For You"
        self.send_response(200 if known else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is to be printed."""


@contextmanager
def serving_pages() -> Iterator[int]:
    """Serve until the end; its port."""
    released = threading.Event()
    pages = type("Pages", (_Pages,), {"released": released})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        released.set()
        server.shutdown()
        thread.join()
        server.server_close()
