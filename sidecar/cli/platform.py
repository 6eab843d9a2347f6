"""``scriptforge platform``: the HTTP API, and runs over HTTP."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from sidecar.cli.serve import SWITCH_SECONDS, open_standard_descriptors
from sidecar.configuration.source import load_configuration
from sidecar.errors import ConfigurationError
from sidecar.switches.this_machine import missing_for_platform, require_usable


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``platform`` command."""
    parser = subparsers.add_parser("platform", help="serve the HTTP API and runs over HTTP until told to stop")
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.set_defaults(run=run, runs_scripts=True)


def run(arguments: argparse.Namespace) -> int:
    """Serves. The exit status is 0 after an ordered end, 1 where the platform could not start."""
    open_standard_descriptors()
    missing = missing_for_platform()
    if missing:
        raise ConfigurationError(missing)
    loaded = load_configuration(arguments.config)
    require_usable(loaded)
    configuration = loaded.configuration

    from sidecar.operations.notify import Notifier  # noqa: PLC0415 - other commands do without all of this
    from sidecar.platform import PlatformProcess  # noqa: PLC0415

    notifier = Notifier.from_environment(os.environ)

    async def serve() -> int:
        return await PlatformProcess(configuration, notifier=notifier).run()

    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        import uvloop  # noqa: PLC0415 - absent on platforms that it does not support
    except ImportError:
        return asyncio.run(serve())
    return int(uvloop.run(serve()))
