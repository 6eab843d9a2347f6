"""A catalog directory under construction."""

from pathlib import Path

from sidecar.catalog.directory.loader import DirectoryLoader
from sidecar.catalog.model import Snapshot
from sidecar.catalog.source import Loaded
from sidecar.catalog.version import DIGESTS, assignment_digest, version_of, voice_digest
from sidecar.configuration.tree import CatalogSection, DecisionSection

MAIN = "function main(data) { return data }\n"


class Catalog:
    """A catalog directory under construction."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "scripts").mkdir(parents=True)
        self.assign("")

    def assign(self, text: str) -> None:
        (self.directory / "assignments.toml").write_text(text, encoding="utf-8")

    def script(self, name: str, text: str = MAIN) -> Path:
        file = self.directory / "scripts" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def load(self, script_bytes: int = 1_000_000) -> Loaded:
        catalog = CatalogSection(directory=self.directory, script_bytes=script_bytes)
        return DirectoryLoader(catalog, DecisionSection()).load()

    def problems(self) -> list[str]:
        loaded = self.load()
        return [str(problem).replace(f"{self.directory}/", "") for problem in loaded.problems]


ROUTE = "[[route]]\ncustomer = 'acme'\nscript = 'a'\n"


def version_made_anew(snapshot: Snapshot) -> str:
    """A snapshot's version from all that is in it."""
    digest = sum(assignment_digest(("route", *key), one) for key, one in snapshot.routes.items())
    digest += sum(assignment_digest(("did", did), one) for did, one in snapshot.dids.items())
    digest += sum(voice_digest(dialled, one) for dialled, one in snapshot.destinations.items())
    return version_of(snapshot.scripts.values(), digest % DIGESTS, snapshot.first, snapshot.last)
