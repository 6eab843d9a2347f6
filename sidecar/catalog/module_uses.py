"""Which scripts are given another text of an npm module where others are installed."""

from collections.abc import Iterator
from dataclasses import dataclass

from sidecar.catalog.model import Snapshot
from sidecar.catalog.module_grants import NO_GRANTS, InstalledModules


@dataclass(frozen=True, slots=True, order=True)
class ModuleUse:
    """One script, and one module that it names."""

    tenant: str
    app: str
    script: str
    """Its id."""
    name: str
    """As it is called in messages."""
    module: str
    """As the script writes it in quotes."""
    version: str
    """That it has now."""
    then: str
    """That it has then, which may be the same with another text; empty where it has none."""


def changed_uses(snapshot: Snapshot, now: InstalledModules, then: InstalledModules) -> list[ModuleUse]:
    """What changes for scripts where ``then`` is installed in place of ``now``, sorted. Scripts that are granted a
    version which stays have no part in it."""
    return sorted(_changed(snapshot, now, then))


def _changed(snapshot: Snapshot, now: InstalledModules, then: InstalledModules) -> Iterator[ModuleUse]:
    for script in snapshot.scripts.values():
        grants = snapshot.module_grants.get(script.tenant, NO_GRANTS)
        granted = now.granted(grants, script.app)
        for module in script.prepared.modules:
            before, after = now.meant(granted, module), then.meant(granted, module)
            if before is not None and before != after:
                yield ModuleUse(
                    script.tenant,
                    script.app,
                    script.id,
                    script.name,
                    module,
                    before.version,
                    after.version if after is not None else "",
                )
