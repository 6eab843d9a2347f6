"""The rules of a catalog: entries into a snapshot, or into everything that is wrong with them.

Pure: knows neither files nor TOML nor SQL. A finding is said at an entry's place, which its source turns into words, so
that a source may as well refuse one entry and keep the rest.
"""

import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from msgspec import structs

from sidecar.catalog.assignments import CompiledAssignments, DecisionDefaults, compile_assignments, kept
from sidecar.catalog.entries import AssignmentEntry, DestinationEntry, Entries, ScriptEntry
from sidecar.catalog.findings import Finding, did_you_mean, unless_right, wrong_values
from sidecar.catalog.model import OPERATOR, Assignment, GlobalPriority, Script, Snapshot
from sidecar.catalog.module_grants import NO_GRANTS, NOTHING_INSTALLED, InstalledModules, ModuleGrants, Texts
from sidecar.catalog.variables import same_variables
from sidecar.catalog.version import script_version, version_of
from sidecar.configuration.tree import DecisionSection
from sidecar.configuration.typed_value import parse_uuid
from sidecar.kind import RULES, Kind
from sidecar.language.app_files import AppFiles
from sidecar.language.modules import AVAILABLE
from sidecar.language.prepared import Prepared, prepare
from sidecar.problem import Severity
from sidecar.script_name import script_called
from sipio.sound_text import sound

SCRIPT_NAMESPACE: Final = uuid.UUID("6c0f4a52-2a75-5c0c-9d3b-6f1c0b7f4d10")
"""Of the uuid that a script has when its entry gives none. Never to change: others hold on to the uuids."""
_ON_EVERY_CALL: Final = ("vars", "timeout_ms", "timeout_action", "error_action")
"""Keys of a script that only matter where it runs on every call."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What entries are compiled by besides the entries."""

    defaults: DecisionSection = field(default_factory=DecisionSection)
    """Timeout and actions of an entry that gives none."""
    modules: frozenset[str] = frozenset()
    """Names of the host's modules and Node's."""
    scripts: int = 0
    """That a tenant may have for whom nothing else was set; 0 for any number."""

    installed: InstalledModules = NOTHING_INSTALLED
    """npm modules that are installed."""

    def names(self) -> frozenset[str]:
        """All modules that there are."""
        return self.modules | self.installed.names()

    def known_to(
        self, granted: Collection[str] | None, grants: ModuleGrants = NO_GRANTS, app: str = ""
    ) -> frozenset[str]:
        """The modules that a script of an app may name whose entry grants it these, the call itself and what Node has
        besides; of npm modules those that its tenant was granted."""
        withheld = self.installed.names() - self.installed.available(self.installed.granted(grants, app))
        known = self.names() if granted is None else AVAILABLE | self.names().intersection(granted)
        return known - withheld


@dataclass(frozen=True, slots=True)
class _CompiledScript:
    entry: ScriptEntry
    script: Script | None
    on_every_call: Assignment | None
    findings: tuple[Finding, ...]
    granted: Mapping[str, str]
    """npm modules that its app is granted, as of `InstalledModules.granted`."""
    why: str = ""
    """Why there is no script."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A snapshot, or why there is none, and what the next compilation need not do again."""

    snapshot: Snapshot | None
    """None where there is an error, or a script that cannot be used."""
    partial: Snapshot
    """The same, or where it is None what there is all the same: of what is wrong the calls get the error action."""
    entries_are_wrong: bool
    """Whether an entry is, by more than that the script which it names is not there."""
    missing: frozenset[str]
    """Ids of scripts that are assigned and not there."""
    findings: tuple[Finding, ...]
    rules: Rules = field(repr=False)
    installed: Texts = field(repr=False)
    """What was installed of npm modules."""
    scripts: Mapping[str, _CompiledScript] = field(repr=False)
    assignments: CompiledAssignments = field(repr=False)

    def called(self, script_id: str) -> str:
        """What messages call a script, also one that is not there."""
        return _called(self.scripts, script_id)


def compile_catalog(entries: Entries, rules: Rules, before: Compiled | None = None) -> Compiled:
    """Compiles. What has not changed since ``before`` is taken from it, object by object; the result is the same.

    Assignments are looked at again only where ``entries.assignments`` is another object; of a change of those
    ``before``, only what has changed. Raises ValueError for a change where there is no ``before`` by the same rules.
    """
    if before is not None and before.rules != rules:
        before = None
    former = before.assignments if before is not None else None
    if former is None or former.compiled_from is not entries.assignments:
        former = compile_assignments(entries.assignments, rules.defaults, former)
    return _Compilation(entries, rules, before, former).run()


def make_script(
    *,
    id: str,  # noqa: A002 - the field's name
    name: str,
    kind: Kind,
    text: str,
    prepared: Prepared | None = None,
    uuid: str = "",
    tenant: str = OPERATOR,
    app: str = "",
    environment: Mapping[str, str] | None = None,
    memory_bytes: int | None = None,
    modules: frozenset[str] | None = None,
    module_versions: Mapping[str, str] | None = None,
    module_texts: Mapping[str, str] | None = None,
) -> Script:
    """A script with what runs of it and its version. ``prepared`` is made where it is not given.

    An id or a name that is no UTF-8, as a file's may be, is written with escapes.
    """
    prepared = prepared or prepare(text, kind, AppFiles(entry=name))
    script = Script(
        id=sound(id),
        name=sound(name),
        version="",
        kind=kind,
        text=text,
        prepared=prepared,
        uuid=uuid,
        tenant=tenant,
        app=app,
        environment=environment or {},
        memory_bytes=memory_bytes,
        modules=modules,
        module_versions=module_versions or {},
        module_texts=module_texts or {},
    )
    return replace(script, version=script_version(script))


class _Compilation:
    """One compilation: everything found so far and everything wrong so far."""

    def __init__(
        self, entries: Entries, rules: Rules, before: Compiled | None, assignments: CompiledAssignments
    ) -> None:
        self.entries = entries
        self.rules = rules
        self.installed = rules.installed.texts
        self.before: Mapping[str, _CompiledScript] = before.scripts if before is not None else {}
        self.assignments = assignments
        self.compiled: dict[str, _CompiledScript] = {}
        self.scripts: dict[str, Script] = {}
        self.broken: dict[str, str] = dict.fromkeys(entries.broken, "its entry is wrong")
        """Ids of scripts that cannot be used, and why."""
        self.findings: list[Finding] = []

    def run(self) -> Compiled:
        self._compile_scripts()
        self.findings += self.assignments.findings
        missing = frozenset(self.assignments.scripts.keys() - self.scripts.keys() - self.broken.keys())
        called = [self.scripts[one] for one in self.assignments.callers if one in self.scripts]
        not_apps = {script.id for script in called if not RULES[script.kind].drives_calls}
        idle = {one for one in self.assignments.scripts if self._is_idle(one)}
        not_apps -= idle
        assigned = (self.scripts[one] for one in self.assignments.scripts if one in self.scripts)
        no_entries = {script.id for script in assigned if not script.prepared.takes_calls} - idle
        wrong = bool(not_apps or no_entries or idle) or any(one.severity is Severity.ERROR for one in self.findings)
        self.findings += self._pointing_nowhere(missing)
        self.findings += self._not_apps(not_apps)
        self.findings += self._no_calls(no_entries | idle)
        partial = self._snapshot()
        whole = not (self.broken or missing or wrong)
        return Compiled(
            snapshot=partial if whole else None,
            partial=partial if whole else self._without(partial, missing, not_apps, no_entries | idle),
            entries_are_wrong=wrong,
            missing=missing,
            findings=tuple(self.findings),
            rules=self.rules,
            installed=self.installed,
            scripts=self.compiled,
            assignments=self.assignments,
        )

    def _snapshot(self) -> Snapshot:
        first, last = self._globals(GlobalPriority.FIRST), self._globals(GlobalPriority.LAST)
        assignments = self.assignments
        return Snapshot(
            scripts=self.scripts,
            routes=assignments.routes,
            dids=assignments.dids,
            destinations=assignments.destinations,
            first=first,
            last=last,
            version=version_of(self.scripts.values(), assignments.digest, first, last),
            limits=self.entries.limits,
            module_grants=self.entries.grants,
        )

    def _without(
        self, snapshot: Snapshot, missing: frozenset[str], not_apps: Collection[str], no_entries: Collection[str]
    ) -> Snapshot:
        """The snapshot with what is wrong named in it."""
        unusable = {one: unknown_script(one, self.scripts) for one in missing}
        unusable |= {one: f"the script {self._called(one)} cannot be used: {why}" for one, why in self.broken.items()}
        unusable |= {one: self._why_no_calls(one) for one in no_entries}
        scripts = {key: one for key, one in snapshot.scripts.items() if key not in no_entries}
        destinations = {
            dialled: structs.replace(one, wrong=_no_app(self._called(one.script_id)))
            if one.script_id in not_apps
            else one
            for dialled, one in snapshot.destinations.items()
        }
        return replace(snapshot, scripts=scripts, unusable=unusable, destinations=destinations)

    def _globals(self, priority: GlobalPriority) -> tuple[Assignment, ...]:
        return tuple(
            one.on_every_call
            for one in self.compiled.values()
            if one.on_every_call is not None and one.entry.global_routing_priority is priority
        )

    def _compile_scripts(self) -> None:
        by_uuid: dict[str, str] = {}
        for entry in self.entries.scripts:
            taken = self.compiled.get(entry.id)
            if taken is not None:
                message = f"the script id {entry.id!r} is taken by"
                self.findings.append(Finding(entry.place, ("id",), Severity.ERROR, message, taken.entry.place))
                continue
            former = self.before.get(entry.id)
            granted = self.rules.installed.granted(self.entries.grants.get(entry.tenant, NO_GRANTS), entry.app)
            if former is None or not _same(former, entry, self.rules, granted):
                former = _compile_script(entry, self.rules, granted, former)
            self.compiled[entry.id] = former
            self.findings += former.findings
            if former.script is None:
                self.broken[entry.id] = former.why
                continue
            other = by_uuid.setdefault(former.script.uuid, entry.id)
            if other != entry.id:
                message = f"uuid {former.script.uuid} is that of script {self._called(other)} already"
                self.findings.append(Finding(entry.place, ("uuid",), Severity.ERROR, message))
            self.scripts[entry.id] = former.script

    def _pointing_nowhere(self, missing: Collection[str]) -> Iterator[Finding]:
        messages = {name: unknown_script(name, self.scripts) for name in missing}
        if messages:
            for entry in self._sound_assignments():
                if entry.script in messages:
                    yield Finding(entry.place, ("script",), Severity.ERROR, messages[entry.script])

    def _not_apps(self, wrong: Collection[str]) -> Iterator[Finding]:
        if wrong:
            for entry in self._sound_assignments():
                if isinstance(entry, DestinationEntry) and entry.script in wrong:
                    yield Finding(entry.place, ("script",), Severity.ERROR, _no_app(self._called(entry.script)))

    def _is_idle(self, script_id: str) -> bool:
        """Whether a script is there, and of a kind that no call runs."""
        script = self.scripts.get(script_id)
        return script is not None and not RULES[script.kind].has_assignments

    def _why_no_calls(self, script_id: str) -> str:
        called = self._called(script_id)
        is_idle = self._is_idle(script_id)
        return _no_calls(called, self.scripts[script_id].kind) if is_idle else without_main(called)

    def _no_calls(self, wrong: Collection[str]) -> Iterator[Finding]:
        if wrong:
            for entry in self._sound_assignments():
                if entry.script in wrong:
                    yield Finding(entry.place, ("script",), Severity.ERROR, self._why_no_calls(entry.script))

    def _called(self, script_id: str) -> str:
        return _called(self.compiled, script_id)

    def _sound_assignments(self) -> Iterator[AssignmentEntry]:
        """Those without an error of their own."""
        assignments = self.assignments
        return (one for place, one in assignments.entries.items() if place not in assignments.wrong)


def _called(scripts: Mapping[str, _CompiledScript], script_id: str) -> str:
    """What messages call a script, also one that is not there."""
    compiled = scripts.get(script_id)
    return script_called(script_id, compiled.entry.name if compiled is not None else script_id)


def _same(former: _CompiledScript, entry: ScriptEntry, rules: Rules, granted: Mapping[str, str]) -> bool:
    """Whether it was compiled from this entry. One that was wrong is compiled again: only vars that are right, and so
    not nested too deeply, can be compared."""
    script = former.script
    if script is None or former.entry != entry or former.granted != granted:
        return False
    installed, named = rules.installed, script.prepared.modules
    if (script.module_texts, script.module_versions) != (
        installed.given(granted, named),
        installed.versions(granted, named),
    ):
        return False
    return same_variables(former.entry.vars, entry.vars)


def _compile_script(
    entry: ScriptEntry, rules: Rules, granted: Mapping[str, str], former: _CompiledScript | None
) -> _CompiledScript:
    findings: list[Finding] = []
    why = entry.wrong
    if entry.prepared is None:
        why = why or "there is nothing that could be run"
    else:
        findings += [*wrong_values(entry), *_wrong_script_values(entry, rules.names())]
        why = next((one.message for one in findings if one.severity is Severity.ERROR), "")
    if why or entry.prepared is None:
        on_every_call = None
        if entry.global_routing_priority is not GlobalPriority.DISABLED:
            on_every_call = DecisionDefaults(rules.defaults).wrong(entry, entry.id, why)
        return _CompiledScript(entry, None, on_every_call, tuple(findings), granted, why)
    script = make_script(
        id=entry.id,
        name=entry.name,
        kind=entry.kind,
        text=entry.text,
        prepared=entry.prepared,
        uuid=str(uuid.UUID(entry.uuid)) if entry.uuid else str(uuid.uuid5(SCRIPT_NAMESPACE, entry.id)),
        tenant=entry.tenant,
        app=entry.app,
        environment=entry.environment,
        memory_bytes=entry.memory_bytes,
        modules=None if entry.modules is None else frozenset(entry.modules),
        module_versions=rules.installed.versions(granted, entry.prepared.modules),
        module_texts=rules.installed.given(granted, entry.prepared.modules),
    )
    if entry.global_routing_priority is GlobalPriority.DISABLED:
        on_every_call = None
        findings += _without_effect(entry)
    else:
        assignment = DecisionDefaults(rules.defaults).assignment(entry, entry.id)
        on_every_call = kept(former.on_every_call if former else None, assignment)
    if former is not None and former.script == script:
        script = former.script  # whatever hangs on it stays
    return _CompiledScript(entry, script, on_every_call, tuple(findings), granted)


def _without_effect(entry: ScriptEntry) -> Iterator[Finding]:
    for key in _ON_EVERY_CALL:
        if key in entry.given:
            message = f"{key} has no effect: the script's global_routing_priority is 'disabled'"
            yield Finding(entry.place, (key,), Severity.WARNING, message)


def _wrong_script_values(entry: ScriptEntry, modules: Collection[str]) -> Iterator[Finding]:
    yield from unless_right(entry, "uuid", parse_uuid, entry.uuid)
    disabled = entry.global_routing_priority is GlobalPriority.DISABLED
    if entry.prepared is not None and not (disabled or entry.prepared.takes_calls):
        message = "global_routing_priority: a file without `main`, which calls need, runs on none"
        yield Finding(entry.place, ("global_routing_priority",), Severity.ERROR, message)
    for index, name in enumerate(entry.modules or ()):
        if name not in modules:
            message = f"modules: there is no module {name!r}{did_you_mean(name, modules)}"
            yield Finding(entry.place, ("modules", index), Severity.ERROR, message)
    if entry.global_routing_priority is not GlobalPriority.DISABLED and not RULES[entry.kind].has_assignments:
        message = f"global_routing_priority: {RULES[entry.kind].called} runs on no call"
        yield Finding(entry.place, ("global_routing_priority",), Severity.ERROR, message)


def without_main(called: str) -> str:
    """The complaint about calls that are given to a file which is for other files."""
    return f"the script {called} has no `main`, which calls need: other files may import it"


def _no_app(called: str) -> str:
    return f'the script {called} cannot drive a call: only an App can (kind = "app")'


def _no_calls(called: str, kind: Kind) -> str:
    return f"the script {called} is {RULES[kind].called}, which no call runs"


def unknown_script(name: str, scripts: Collection[str]) -> str:
    """The complaint about an assignment that points nowhere, with the nearest script there is."""
    return f"there is no script {name!r}{did_you_mean(name, scripts)}"
