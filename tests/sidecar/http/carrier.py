"""A carrier's own HTTP API, as a Driver asks it."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DRIVER = """
const base = process.env.PROVIDER;
module.export = {
  search: async ({ number }) =>
    (await (await fetch(base + '/free?q=' + number)).json()).map((n) => ({ did: n, monthly: 2 })),
  allocate: async ({ did }) =>
    (await fetch(base + '/buy/' + did, { method: 'POST' })).ok ? { did, package_id: 7, customer_id: null } : null,
  release: async ({ did }) => (await fetch(base + '/buy/' + did, { method: 'DELETE' })).ok,
  list: async () => (await (await fetch(base + '/mine')).json()).map((did) => ({ did })),
};
"""
NAMED_EXPORTS = """
const base = process.env.PROVIDER;
export const search = async ({ number }) =>
  (await (await fetch(base + '/free?q=' + number)).json()).map((n) => ({ did: n, monthly: 2 }));
export async function allocate({ did }) {
  return (await fetch(base + '/buy/' + did, { method: 'POST' })).ok ? { did, package_id: 7, customer_id: null } : null;
}
export const release = async ({ did }) => (await fetch(base + '/buy/' + did, { method: 'DELETE' })).ok;
export const list = async () => (await (await fetch(base + '/mine')).json()).map((did) => ({ did }));
"""


class Carrier:
    """Sells what is free, and counts what it has sold."""

    def __init__(self) -> None:
        self.free = {f"44201{number:02}" for number in range(60)}
        self.mine: set[str] = set()
        self.bought: list[str] = []
        """Each time that it took money."""
        self.after_sale: Callable[[], object] = lambda: None
        """What happens between a sale and its answer."""
        self.answers_html = False
        carrier = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if carrier.answers_html:
                    return self._answer(200, "<html>maintenance</html>", "text/html")
                if self.path == "/mine":
                    return self._answer(200, json.dumps(sorted(carrier.mine)))
                wanted = self.path.partition("q=")[2]
                return self._answer(200, json.dumps(sorted(n for n in carrier.free if wanted in n)))

            def do_POST(self) -> None:
                did = self.path.rpartition("/")[2]
                if did not in carrier.free:
                    return self._answer(409, "{}")
                carrier.free.remove(did)
                carrier.mine.add(did)
                carrier.bought.append(did)
                carrier.after_sale()
                return self._answer(200, "{}")

            def do_DELETE(self) -> None:
                did = self.path.rpartition("/")[2]
                if did not in carrier.mine:
                    return self._answer(404, "{}")
                carrier.mine.remove(did)
                carrier.free.add(did)
                carrier.after_sale()
                return self._answer(200, "{}")

            def _answer(self, status: int, body: str, kind: str = "application/json") -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_values: object) -> None:
                """Nothing is printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
