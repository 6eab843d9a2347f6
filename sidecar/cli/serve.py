"""``scriptforge serve``: the daemon."""

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sidecar.configuration.source import load_configuration
from sidecar.switches.this_machine import require_usable

if TYPE_CHECKING:
    from sidecar.operations.hand_over import Inherited
    from sidecar.operations.notify import Notifier

SWITCH_SECONDS: Final = 0.0005
"""What a thread that loads the catalog, or decodes a sound, may keep the interpreter once the event loop wants it;
CPython's own 5 ms are as long as a whole decision may take. A loop with no thread beside it pays nothing for less."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``serve`` command."""
    parser = subparsers.add_parser("serve", help="decide calls until told to stop")
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.set_defaults(run=run, runs_scripts=True)


def run(arguments: argparse.Namespace) -> int:
    """Serves. The exit status is 0 after an ordered end, 1 where the daemon could not start."""
    open_standard_descriptors()
    from sidecar.operations.hand_over import NAME, Inherited  # noqa: PLC0415 - other commands do without all of this
    from sidecar.operations.notify import Notifier  # noqa: PLC0415

    # Before anything can fail: switches whose sockets we were given are told at once where nobody is going to serve
    # them, which takes that the service manager has no descriptor of them either.
    inherited = Inherited.from_environment(os.environ)
    try:
        notifier = Notifier.from_environment(os.environ)
        if inherited:
            notifier.forget(NAME)
        return _serve(arguments.config, notifier, inherited)
    finally:
        inherited.discard()


def _serve(file: Path | None, notifier: "Notifier", inherited: "Inherited") -> int:
    from sidecar.daemon import Daemon  # noqa: PLC0415 - the other commands start in half the time without it

    loaded = load_configuration(file)
    require_usable(loaded)
    configuration = loaded.configuration

    async def serve() -> int:
        return await Daemon(configuration, notifier=notifier, inherited=inherited).run()

    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        import uvloop  # noqa: PLC0415 - absent on platforms that it does not support
    except ImportError:
        return asyncio.run(serve())
    return int(uvloop.run(serve()))


def open_standard_descriptors() -> None:
    """Put /dev/null where standard input, output or error is closed.

    The event loop's own descriptor would else be number 2, and the log lines written to it would end the process.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(opened, True)
    os.close(opened)
