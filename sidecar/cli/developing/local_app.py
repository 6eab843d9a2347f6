"""A folder of scripts as an app of a platform on this machine, saved anew whenever a file changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sidecar.cli.remote.checkout import LocalFile, is_data, local_files, path_for
from sidecar.cli.remote.client import Client
from sidecar.cli.remote.errors import Conflict, Refusal, ServerError
from sidecar.cli.remote.paths import segment
from sidecar.kind import Kind
from sidecar.language.app_files import files_from
from sidecar.language.prepared import prepare

APP: Final = "dev"
_MAINS: Final = ("main", "index")


@dataclass(frozen=True, slots=True)
class Saved:
    """What is saved."""

    scripts: dict[str, dict[str, Any]]
    """As the API has them, by the path of the file."""
    new: bool
    """Whether there are others than before."""


class LocalApp:
    """The folder, and what of it the platform has."""

    def __init__(self, client: Client, folder: Path, kind: str | None) -> None:
        self._client = client
        self._folder = folder
        self._kind = kind
        self._ids: dict[str, str] | None = None
        self.sources: dict[str, str] = {}
        """The texts that were saved last, or refused, by their paths."""

    def prepare(self) -> None:
        """Make the app. Raises ServerError."""
        try:
            self._client.put(f"/apps/{APP}", {"name": self._folder.resolve().name or APP})
        except Refusal as refusal:
            if not refusal.changed:
                raise
            self._client.put(f"/apps/{APP}", {"name": self._folder.resolve().name or APP}, match="*")

    def set_variables(self, variables: dict[str, str]) -> None:
        """Have the app exactly these variables. Raises ServerError."""
        path = f"/apps/{APP}/variables"
        there = {one["name"]: one["value"] for one in self._client.get(path).value["items"]}
        for name, value in variables.items():
            if there.get(name) != value:
                match = "*" if name in there else ""
                self._client.put(f"{path}/{segment(name)}", {"value": value}, match=match, new=not match)
        for name in there.keys() - variables.keys():
            self._client.delete(f"{path}/{segment(name)}", match="*")

    def save(self) -> Saved:
        """Save all that is in the folder, or nothing where something is wrong with a file: then Refusal is raised, with
        the places. Raises ServerError."""
        files = local_files(self._folder)
        self.sources = {path: file.text for path, file in files.items()}
        before = self._before()
        saved: dict[str, dict[str, Any]] = {}
        if files:
            body = {"scripts": [self._given(file) for file in files.values()]}
            items = self._client.post(f"/apps/{APP}/scripts", body).value["items"]
            saved = {path_for(one["name"]): one for one in items}
        for path in before.keys() - saved.keys():
            self._client.delete(f"/scripts/{segment(before[path])}", match="*")
        self._ids = {path: one["id"] for path, one in saved.items()}
        return Saved(saved, self._ids.keys() != before.keys())

    def _given(self, file: LocalFile) -> dict[str, Any]:
        given: dict[str, Any] = {"name": file.path, "text": file.text, "seen": "*"}
        if not is_data(file.path):
            # It listens on loopback alone.
            given |= {"public": True}
            given |= {"kind": self._kind} if self._kind is not None else {}
        return given

    def _before(self) -> dict[str, str]:
        if self._ids is None:
            found: dict[str, str] = {}
            for one in self._client.pages("/scripts", app=APP):
                try:
                    found[path_for(one["name"])] = one["id"]
                except Conflict:
                    continue  # of nobody's folder
            self._ids = found
            return {}
        return self._ids


def entry_of(scripts: dict[str, dict[str, Any]], named: str | None, texts: Mapping[str, str]) -> str | None:
    """The file that is run: the one that was named, the only one, or the only one with a ``main``, or ``main`` or
    ``index``; None where it is not said which. Raises ServerError for a name that is none of them."""
    code = [path for path in scripts if not is_data(path)]
    if named is not None:
        wanted = Path(named).as_posix()
        if wanted not in code:
            raise ServerError(
                f"--script {named}: there is no such script; there are {', '.join(sorted(code)) or 'none'}"
            )
        return wanted
    if len(code) == 1:
        return code[0]
    starting = [path for path in code if _takes_calls(path, scripts[path], texts)]
    if len(starting) == 1:
        return starting[0]
    found = [path for path in code if path.partition(".")[0] in _MAINS]
    return found[0] if len(found) == 1 else None


def _takes_calls(path: str, script: dict[str, Any], texts: Mapping[str, str]) -> bool:
    return prepare(texts[path], Kind(script["kind"]), files_from(path, texts, APP)).takes_calls


def read_variables_file(file: Path) -> dict[str, str]:
    """Variables as lines ``NAME=VALUE``; a value may stand in quotes, and ``#`` begins a remark. Raises ServerError."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ServerError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ServerError(f"{file}: is not UTF-8 text") from None
    found = {}
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, sign, value = (part.strip() for part in text.partition("="))
        if not sign or not name.isidentifier() or not name.isascii():
            raise ServerError(f"{file}:{number}: expected NAME=VALUE")
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        found[name] = value[1:-1] if quoted else value
    return found
