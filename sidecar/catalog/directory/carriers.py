"""The carriers of a document and their numbers, and what of that does not go together."""

from collections.abc import Iterator, Sequence
from pathlib import PurePath

from sidecar.catalog.directory.entries import Complaint, NumberTable, ProviderTable, ScriptTable, TablePlace
from sidecar.kind import RULES, Kind
from sidecar.script_name import script_called
from sipio.number import did_of


class Carriers:
    """What an import puts into a database. A daemon with its catalog in files does nothing with it."""

    def __init__(self) -> None:
        self.providers: list[tuple[TablePlace, ProviderTable]] = []
        self.numbers: list[tuple[TablePlace, NumberTable]] = []

    def add(self, place: TablePlace, table: ProviderTable | NumberTable) -> None:
        """Take a table that is in order."""
        if isinstance(table, ProviderTable):
            self.providers.append((place, table))
        else:
            self.numbers.append((place, table))

    def complaints(self, scripts: Sequence[ScriptTable]) -> Iterator[tuple[TablePlace, Complaint]]:
        """What is there twice, and what points nowhere."""
        there = {script.id or PurePath(script.file).stem: script for script in scripts}
        ids: set[tuple[str, str]] = set()
        for place, provider in self.providers:
            if (provider.tenant, provider.id) in ids:
                yield place, Complaint(("id",), f"the provider {provider.id!r} is there already")
            ids.add((provider.tenant, provider.id))
            script = there.get(provider.script)
            kind = script.kind if script is not None else Kind.SCRIPT
            if kind is not Kind.DRIVER:
                name = (script.name or script.file) if script is not None else provider.script
                called = script_called(provider.script, name)
                message = f"script: {called} is {RULES[kind].called}, and a provider is asked by a Driver"
                yield place, Complaint(("script",), message)
        subjects: set[str] = set()
        for place, number in self.numbers:
            subject = did_of(number.did)
            if not subject.strip():
                yield place, Complaint(("did",), f"did: {number.did!r} is no number")
            elif subject in subjects:
                yield place, Complaint(("did",), f"the number {number.did!r} is there already")
            subjects.add(subject)
            if (number.tenant, number.provider) not in ids:
                message = f"there is no provider {number.provider!r} of the tenant {number.tenant!r}"
                yield place, Complaint(("provider",), message)
