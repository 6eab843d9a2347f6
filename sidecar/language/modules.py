"""The modules that an App may import where nobody says which the host has: what a run itself brings."""

from typing import Final

SCHEME: Final = "node:"
NODE: Final = frozenset(
    """
    assert assert/strict async_hooks buffer constants crypto diagnostics_channel dns dns/promises events fs fs/promises
    http https module net os path path/posix perf_hooks process punycode querystring stream stream/promises
    string_decoder timers timers/promises tls tty url util util/types zlib
    """.split()  # noqa: SIM905 - a list literal is thirty lines
)
"""Core modules of Node's that work here, which each App has; docs/node-modules.md says how much of them."""
NODE_ABSENT: Final = frozenset(
    """
    child_process cluster dgram domain http2 inspector readline repl v8 vm wasi worker_threads
    """.split()  # noqa: SIM905 - as above
)
"""Those that are there for packages which require them and may never use them: what is in them throws."""
GLOBALS_OF_NODE: Final = frozenset({"Buffer"})
"""Names that an App finds around it, besides what every script does."""
AVAILABLE: Final = frozenset({"cxC5Server", "cxWebSocket", *NODE, *(SCHEME + name for name in NODE)})
"""The call that it drives, the web socket that it was asked over, and what Node has, with and without its scheme."""


def plain(name: str) -> str:
    """A module's name without ``node:``."""
    return name.removeprefix(SCHEME)
