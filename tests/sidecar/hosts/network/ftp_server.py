"""An FTP server on loopback, with and without TLS."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

with warnings.catch_warnings():
    # Of Python 3.11's asyncore, which later ones have as a package.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

TURN_SECONDS = 0.05


@contextmanager
def ftp_server(folder: Path, certificate: Path | None = None) -> Iterator[int]:
    """Its port; ``u`` with the password ``p`` may do everything in ``folder``. With a certificate and its key whatever
    is not encrypted is refused."""
    authorizer = DummyAuthorizer()
    authorizer.add_user("u", "p", str(folder), perm="elradfmwMT")

    class Handler(FTPHandler if certificate is None else TLS_FTPHandler):  # type: ignore[misc]
        pass

    Handler.authorizer = authorizer
    Handler.banner = "ready"
    Handler.use_sendfile = False
    if certificate is not None:
        Handler.certfile = str(certificate)
        Handler.tls_control_required = Handler.tls_data_required = True
    loop = IOLoop()
    server = FTPServer(("127.0.0.1", 0), Handler, ioloop=loop)
    ends = threading.Event()

    def serve() -> None:
        while not ends.is_set():
            loop.loop(timeout=TURN_SECONDS, blocking=False)
        server.close_all()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.address[1]
    finally:
        ends.set()
        thread.join()
