"""``scriptforge platform``: the HTTP API, and runs over HTTP."""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

from sidecar.cli.serve import SWITCH_SECONDS, open_standard_descriptors
from sidecar.configuration.source import load_configuration
from sidecar.configuration.tree import Configuration
from sidecar.errors import ConfigurationError
from sidecar.switches.this_machine import missing_for_platform, require_usable


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``platform`` command."""
    parser = subparsers.add_parser("platform", help="serve the HTTP API and runs over HTTP until told to stop")
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.add_argument(
        "--autoscale-signal",
        action="store_true",
        help="serve nothing: print how many jobs there are, how long one waits, and how many platforms they want",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs; with --autoscale-signal")
    parser.set_defaults(run=run, runs_scripts=True)


def run(arguments: argparse.Namespace) -> int:
    """Serves. The exit status is 0 after an ordered end, 1 where the platform could not start."""
    open_standard_descriptors()
    missing = missing_for_platform()
    if missing:
        raise ConfigurationError(missing)
    loaded = load_configuration(arguments.config)
    configuration = loaded.configuration
    if arguments.json and not arguments.autoscale_signal:
        raise ConfigurationError("--json is for --autoscale-signal")
    if arguments.autoscale_signal:
        return asyncio.run(_signal(configuration, as_json=arguments.json))
    require_usable(loaded)

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


async def _signal(configuration: Configuration, *, as_json: bool) -> int:
    """Print what the database says of the jobs, as a metrics page would. Raises ConfigurationError, StorageError."""
    from sidecar.jobs.metrics import signal_of  # noqa: PLC0415 - as above
    from sidecar.queue.looking import Looking  # noqa: PLC0415
    from sidecar.queue.store import JobRows  # noqa: PLC0415
    from sidecar.storage.engine import Storage  # noqa: PLC0415

    url = configuration.catalog.url
    if url is None:
        raise ConfigurationError("catalog.url: jobs are in a database, such as sqlite:////PATH")
    storage = Storage(url)
    try:
        depth = await Looking(JobRows(storage)).depth()
    finally:
        await storage.close()
    found = signal_of(depth, configuration.jobs.at_once)
    if as_json:
        print(json.dumps(found))
    else:
        print("".join(f"scriptforge_{name} {value}\n" for name, value in found.items()), end="")
    return 0
