"""A catalog directory under construction."""

from pathlib import Path

from sidecar.catalog.directory.loader import DirectoryLoader
from sidecar.catalog.model import Snapshot
from sidecar.catalog.source import Loaded
from sidecar.catalog.version import encoded_assignments, version_of
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
    """The version of all that is in a snapshot: of one that was made of another it has to be the same."""
    blocks = encoded_assignments(snapshot.routes, snapshot.dids, snapshot.destinations)
    return version_of(snapshot.scripts.values(), blocks, snapshot.first, snapshot.last)
