"""Which npm modules a tenant's scripts may require, as an operator says it."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from sidecar.npm.package_name import NAME_CHARACTERS, NAME_PATTERN
from sidecar.npm.store import package_of

EVERY: Final = "*"
"""In the place of a name: all that are installed."""
NEWEST: Final = "*"
"""In the place of a version: whichever is the newest that is installed."""
NOT_GRANTED: Final = ""
"""In the place of a version: none is."""
MODULES: Final = 1_000
"""Granted to one tenant, over all its apps."""
ModuleName = Annotated[str, Meta(max_length=NAME_CHARACTERS, pattern=NAME_PATTERN)]
"""As npm has it: without a path, which is of the module's own."""
ModuleVersion = Annotated[str, Meta(min_length=1, max_length=256)]
Granted = dict[ModuleName, ModuleVersion]
"""By name the one version that is meant; `NEWEST` for the newest that is installed."""


class ModuleGrants(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What was granted to a tenant."""

    modules: Granted = {}
    """To all its scripts."""
    apps: dict[Annotated[str, Meta(min_length=1, max_length=256)], Granted] = {}
    """To the scripts of single apps, by the app's id: besides the others, or in another version."""

    def of(self, app: str) -> Mapping[str, str]:
        """What the scripts of an app have; the empty text for those that have none."""
        own = self.apps.get(app)
        return {**self.modules, **own} if own else self.modules

    def with_grant(self, app: str, name: str, version: str) -> "ModuleGrants":
        """The same with one more; the empty text for all apps."""
        if not app:
            return msgspec.structs.replace(self, modules={**self.modules, name: version})
        own = {**self.apps.get(app, {}), name: version}
        return msgspec.structs.replace(self, apps={**self.apps, app: own})

    def without_grant(self, app: str, name: str) -> "ModuleGrants":
        """The same without one. Raises KeyError where it was not granted."""
        if not app:
            self.modules[name]
            return msgspec.structs.replace(self, modules=_without(self.modules, name))
        self.apps[app][name]
        apps = {one: _without(own, name) if one == app else own for one, own in self.apps.items()}
        return msgspec.structs.replace(self, apps={one: own for one, own in apps.items() if own})

    def count(self) -> int:
        """How many there are."""
        return len(self.modules) + sum(map(len, self.apps.values()))


NO_GRANTS: Final = ModuleGrants()


Texts = Mapping[str, Mapping[str, str]]
"""What is installed: by what a script may write in quotes, and by version, the newest last, what names the text."""


class MeantText(NamedTuple):
    """What a name in quotes means to a script."""

    version: str
    text: str
    """What names the text."""


class InstalledModules:
    """What is installed on this machine, and who may require it.

    Whoever holds one always asks what is installed now: `use` replaces that while the process runs, as a whole.
    """

    __slots__ = ("_everybodys", "_names", "_texts")

    def __init__(self, texts: Texts = MappingProxyType({}), everybodys: tuple[str, ...] = (EVERY,)) -> None:
        """``everybodys`` are the modules that need no grant."""
        self._everybodys = everybodys
        self.use(texts)

    @property
    def texts(self) -> Texts:
        """What is installed; another object once `use` has replaced it."""
        return self._texts

    def use(self, texts: Texts) -> None:
        """This is installed from now on."""
        self._names = frozenset(texts)
        self._texts = texts

    def granted(self, grants: ModuleGrants, app: str) -> Mapping[str, str]:
        """What the scripts of an app may require, by the module's name the version that is meant; `EVERY` among the
        names stands for all others."""
        return {**dict.fromkeys(self._everybodys, NEWEST), **grants.of(app)}

    def available(self, granted: Mapping[str, str]) -> frozenset[str]:
        """What these may write in quotes."""
        return frozenset(self.given(granted, self._names))

    def names(self) -> frozenset[str]:
        """All that anybody may write in quotes."""
        return self._names

    def versions(self, granted: Mapping[str, str], named: Collection[str]) -> Mapping[str, str]:
        """Of what a text names the modules that it is not simply given the newest of: the version, or `NOT_GRANTED`."""
        if self._names.isdisjoint(named):
            return {}  # as of most scripts, of which each is asked at each change of a catalog
        modules = {package_of(name) for name in self._names.intersection(named)}
        found = {module: _version(granted, module) for module in sorted(modules)}
        return {module: version for module, version in found.items() if version != NEWEST}

    def given(self, granted: Mapping[str, str], named: Collection[str]) -> Mapping[str, str]:
        """Of what a text names each that it has, with what names the text of the version that it has of it."""
        if self._names.isdisjoint(named):
            return {}
        found = {name: self.meant(granted, name) for name in sorted(self._names.intersection(named))}
        return {name: one.text for name, one in found.items() if one is not None}

    def meant(self, granted: Mapping[str, str], name: str) -> MeantText | None:
        """The version of a name that it has, and what names its text; None where it has none."""
        versions, version = self._texts.get(name, {}), _version(granted, package_of(name))
        if versions and version == NEWEST:
            version = tuple(versions)[-1]
        return MeantText(version, versions[version]) if version in versions else None


NOTHING_INSTALLED: Final = InstalledModules()


def encode_grants(grants: ModuleGrants) -> str:
    """As a database keeps them."""
    return msgspec.json.encode(grants, order="deterministic").decode()


def decode_grants(text: str) -> ModuleGrants:
    """Raises msgspec.MsgspecError."""
    return msgspec.json.decode(text, type=ModuleGrants)


def _version(granted: Mapping[str, str], module: str) -> str:
    return granted.get(module, NEWEST if EVERY in granted else NOT_GRANTED)


def _without(granted: Granted, name: str) -> Granted:
    return {one: version for one, version in granted.items() if one != name}
