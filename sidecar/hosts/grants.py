"""Which modules of the host which script may ask: by its kind, and by what it was granted itself."""

import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Final

from sidecar.catalog.limits import TenantLimits
from sidecar.catalog.model import Script
from sidecar.catalog.module_grants import InstalledModules
from sidecar.configuration.tree import Configuration
from sidecar.hosts import modules
from sidecar.hosts.module import Asker, HostModule
from sidecar.hosts.node.core import core_modules
from sidecar.hosts.node.packages import NONE as NO_PACKAGES
from sidecar.hosts.node.packages import Packages, ProgramPackages
from sidecar.hosts.request import SOCKET_MODULE
from sidecar.hosts.run_host import RunHost
from sidecar.hosts.services import Services
from sidecar.hosts.usage import UsageCount
from sidecar.kind import RULES
from sidecar.logs.logger import ActionLogger
from sidecar.npm.errors import StoreError
from sidecar.npm.store import read_store

_log = ActionLogger(__name__)

CALL_MODULE: Final = "cxC5Server"
"""The call itself, which the adapter of calls serves; every App may name it, and has it where there is a call."""


class Grants:
    """The modules that there are, and who may ask them. Raises ValueError for two of the same name."""

    __slots__ = ("_granted", "_modules", "_packages", "_services")

    def __init__(
        self,
        modules: Sequence[HostModule] = (),
        services: Services | None = None,
        packages: Packages | None = None,
    ) -> None:
        """``services`` is what the modules work with, by default that of no configuration, and ``packages`` what there
        is besides Node's own."""
        self._modules = tuple(modules)
        self._packages = packages or Packages()
        self._services = services or Services(Configuration())
        self._granted: dict[str, tuple[Script, dict[str, HostModule]]] = {}
        """Of scripts that have been looked at: to look through a text for every run takes 2 us of a decision."""
        taken = {CALL_MODULE, SOCKET_MODULE}
        for module in self._modules:
            if module.name in taken:
                raise ValueError(f"there are two modules {module.name}")
            taken.add(module.name)

    def used(self, script: Script) -> UsageCount:
        """What a script's runs are counted in."""
        return self._services.usage.of(script)

    def limit(self, own: Mapping[str, TenantLimits]) -> None:
        """Tenants have these limits from now on, and those that are not among them the usual ones: there is another
        snapshot, and what was known of scripts is forgotten."""
        self._granted.clear()
        self._services.usage.limit(own)

    def use_packages(self, packages: Packages) -> None:
        """From now on there are these besides Node's own, for programs that are made then."""
        self._packages = packages
        self._granted.clear()

    def names(self) -> frozenset[str]:
        """Every name that a script may require, whatever it was granted."""
        return self._packages.names() | self.host_names()

    def host_names(self) -> frozenset[str]:
        """Those of them that are there whatever is installed."""
        own = (CALL_MODULE, SOCKET_MODULE, *(module.name for module in self._modules if not module.packages))
        return Packages().names().union(own)

    def javascript(self) -> tuple[str, ...]:
        """The trusted JavaScript of every module."""
        return tuple(module.javascript for module in self._modules)

    def granted(self, script: Script) -> Mapping[str, HostModule]:
        """The modules that a script was granted and names in its text, by name.

        One that it does not name is not evaluated in its context: a check has seen that it names them in quotes.
        """
        known = self._granted.get(script.id)
        if known is not None and known[0] is script:
            return known[1]
        found = self._look(script)
        self._granted[script.id] = (script, found)
        return found

    def _look(self, script: Script) -> dict[str, HostModule]:
        own = script.modules
        return {
            module.name: module
            for module in self._modules
            if script.kind in module.kinds
            and RULES[script.kind].waits
            and (own is None or not own.isdisjoint(module.packages or (module.name,)))
            and self._is_used(module, script)
        }

    def _is_used(self, module: HostModule, script: Script) -> bool:
        if module.packages:
            return not module.packages.isdisjoint(self.packages(script).packages)
        return any(name in text for name in (module.name, *module.globals) for text in script.texts())

    def packages(self, script: Script) -> ProgramPackages:
        """What a script's program has of Node's modules and of those that are installed."""
        if not RULES[script.kind].has_modules:
            return NO_PACKAGES
        prepared = script.prepared
        return self._packages.of(script.texts(), prepared.modules, prepared.modules_at_top, script.module_versions)

    def host(self, script: Script, correlation_id: str) -> RunHost:
        """A host for one run of a script, which answers for the modules that it was granted."""
        asker = Asker(script=script, correlation_id=correlation_id, services=self._services)
        return RunHost(self.granted(script), asker)


def shipped_grants(services: Services | None = None) -> Grants:
    """Grants of every module that there is; ``services`` as of `Grants`. Raises CoreModulesMissing."""
    core_modules()  # read now, and not when the first call asks for one
    packages = None if services is None else installed_packages(services.modules_directory)
    return Grants(shipped_modules(), services, packages)


def shipped_names(configuration: Configuration | None = None) -> frozenset[str]:
    """Every name that a script may require, whatever it was granted; without a configuration nothing is installed."""
    packages = None if configuration is None else installed_packages(configuration.modules.directory)
    return Grants(shipped_modules(), packages=packages).names()


def host_names() -> frozenset[str]:
    """Every name that a script may require where nothing is installed."""
    return Grants(shipped_modules()).host_names()


def installed_modules(configuration: Configuration) -> InstalledModules:
    """The npm modules that are installed, and who may require them without a grant."""
    modules = configuration.modules
    return InstalledModules(installed_packages(modules.directory).installed(), modules.granted)


@cache
def installed_packages(directory: Path) -> Packages:
    """What is installed in a directory, as it is when it is first asked for; nothing where it cannot be read, which is
    logged."""
    try:
        return read_packages(directory)
    except StoreError as error:
        _log.error("modules_not_read", error=str(error))
        return Packages()


def read_packages(directory: Path) -> Packages:
    """What is installed in a directory now. What is not as it was installed is logged by name, and is not there.
    Raises StoreError."""
    store = read_store(directory)
    for one in store.refused:
        _log.error("module_refused", module=f"{one.name}@{one.version}", error=one.reason)
    return Packages.of_store(store)


def shipped_modules() -> list[HostModule]:
    """Each file of hosts/modules, which is listed so that a new one is named nowhere else."""
    names = sorted(found.name for found in pkgutil.iter_modules(modules.__path__))
    return [import_module(f"{modules.__name__}.{name}").MODULE for name in names]
