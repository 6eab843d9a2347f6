"""The modules of the host: each is one Python file of this folder with a ``MODULE``, and one JavaScript file."""

import pkgutil
from importlib import import_module

from sidecar.hosts.module import HostModule


def installed() -> tuple[HostModule, ...]:
    """Every module of this folder, by name."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__))
    return tuple(import_module(f"{__name__}.{name}").MODULE for name in names)
