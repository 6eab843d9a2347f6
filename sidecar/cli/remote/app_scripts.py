"""The scripts of an app at a server, against the files of a folder."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sidecar.cli.remote.checkout import (
    Checkout,
    LocalFile,
    Seen,
    is_data,
    path_for,
    read_checkout,
    write_checkout,
    write_file,
)
from sidecar.cli.remote.errors import Conflict, Missing, Refusal, ServerError
from sidecar.cli.remote.paths import segment

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

AT_ONCE: Final = 100
"""Scripts that the API saves in one step."""


@dataclass(slots=True)
class Step:
    """What became of one file."""

    path: str
    sign: str
    """``+`` new, ``~`` changed, ``-`` gone, ``!`` not done, a blank for as it was."""
    words: str
    name: str = ""
    """Of the script that is to be saved."""


class AppFolder:
    """A folder and the app that it is."""

    def __init__(self, client: "Client", folder: Path, app: str | None) -> None:
        """Raises ServerError; Missing where nothing says which app it is."""
        self.unusable: list[Step] = []
        """Scripts of the app, as they were listed last, that no file can be."""
        tenant = client.get("/me").value["tenant"]
        kept = read_checkout(folder, client.server.url, tenant, app)
        if kept is None:
            if app is None:
                raise Missing(f"{folder}: of which app? Nothing was pulled or pushed here yet: say --app APP")
            kept = Checkout(server=client.server.url, tenant=tenant, app=app)
        self.client = client
        self.folder = folder
        self.kept = kept

    @property
    def app(self) -> str:
        """The app's id; empty for the scripts of none."""
        return self.kept.app

    def listed(self) -> dict[str, dict[str, Any]]:
        """The app's scripts as the server has them now, by their paths, without their texts. Raises ServerError."""
        if self.app:
            require_app(self.client, self.app)
        found: dict[str, dict[str, Any]] = {}
        self.unusable.clear()
        for script in self.client.pages("/scripts", app=self.app):
            try:
                path = path_for(script["name"])
            except Conflict as conflict:
                self.unusable.append(Step(script["name"], "!", str(conflict)))
                continue
            if path in found:
                self.unusable.append(Step(path, "!", f"two scripts are called so: {found[path]['id']}, {script['id']}"))
                continue
            found[path] = script
        return found

    def read(self, script: dict[str, Any]) -> tuple[str, Seen]:
        """A script's text, and which version it is."""
        version = self.client.get(f"/scripts/{segment(script['id'])}/text").value
        return version["text"], Seen(id=script["id"], version=version["number"], hash=version["hash"])

    def keep(self) -> None:
        """Keep what was seen."""
        write_checkout(self.folder, self.kept)

    # ---- from the server ----

    def pull(self, local: dict[str, LocalFile], *, force: bool) -> list[Step]:
        """Write what the server has; a file that was changed here as well stays, unless ``force``."""
        steps: list[Step] = []
        listed = self.listed()
        for path, script in sorted(listed.items()):
            steps.append(self._pull(path, script, local.get(path), force))
        for path in sorted(self.kept.files.keys() - listed.keys()):
            del self.kept.files[path]
            if path in local:
                steps.append(Step(path, "-", "is at the server no more; the file stays here"))
        self.keep()
        return steps + self.unusable

    def _pull(self, path: str, script: dict[str, Any], here: LocalFile | None, force: bool) -> Step:
        seen = self.kept.files.get(path)
        if here is not None and here.hash == script["hash"]:
            self.kept.files[path] = Seen.of(script)
            return Step(path, " ", f"version {script['version']}, as it is here")
        if here is not None and not force and (seen is None or here.hash != seen.hash):
            if seen == Seen.of(script):
                return Step(path, " ", f"changed here since version {seen.version}")
            return Step(
                path,
                "!",
                f"changed here, and at the server by {self._who(script['id'])}: `scriptforge scripts diff` shows it,"
                " --force takes the server's",
            )
        text, self.kept.files[path] = self.read(script)
        write_file(self.folder, path, text)
        return Step(path, "+" if here is None else "~", f"version {self.kept.files[path].version}")

    # ---- to the server ----

    def push(
        self,
        local: dict[str, LocalFile],
        *,
        note: str = "",
        kind: str | None = None,
        public: bool | None = None,
        force: bool = False,
        only: Sequence[str] = (),
    ) -> list[Step]:
        """Save what was changed here, all of it in one step, or nothing where one is refused. Raises Conflict where
        somebody else has changed one of them meanwhile, unless ``force``; Refusal."""
        listed = self.listed()
        steps: list[Step] = []
        changed: list[dict[str, Any]] = []
        conflicts: list[str] = []
        for path, file in sorted(local.items()):
            if only and path not in only:
                continue
            script, seen = listed.get(path), self.kept.files.get(path)
            given: dict[str, Any] = {"name": path, "text": file.text}
            if not is_data(path):
                given |= {"kind": kind} if kind is not None else {}
                given |= {"public": public} if public is not None else {}
            if script is None:
                steps.append(Step(path, "+", "", name=path))
                changed.append(given)
                continue
            same = script["hash"] == file.hash
            if same and all(script[key] == given[key] for key in given.keys() & {"kind", "public"}):
                self.kept.files[path] = Seen.of(script)
                steps.append(Step(path, " ", f"version {script['version']}, as it is"))
                continue
            if not force and not same and seen is not None and seen.hash == file.hash:
                steps.append(Step(path, " ", f"unchanged since version {seen.version}; there is {script['version']}"))
                continue
            etag = "*"
            if not force:
                answer = self.client.get(f"/scripts/{segment(script['id'])}")
                etag = answer.etag
                if not same and seen != Seen.of(answer.value):
                    conflicts.append(f"{path}: {self._meanwhile(script['id'], seen)}")
            steps.append(Step(path, "~", "", name=script["name"]))
            changed.append(given | {"name": script["name"], "seen": etag})
        if conflicts:
            raise self._conflict(conflicts)
        if changed:
            self._save(changed, steps, note)
        self.keep()
        return steps

    def remove_gone(self, local: dict[str, LocalFile], *, force: bool) -> tuple[list[Step], list[ServerError]]:
        """Take out at the server what was pulled and is here no more; and why what is left of it has to stay. One that
        is imported is tried again once another has gone, which may be what imports it. Raises ServerError."""
        listed = self.listed()
        steps: list[Step] = []
        gone = sorted(self.kept.files.keys() - local.keys())
        while True:
            stay: dict[str, ServerError] = {}
            for path in gone:
                try:
                    steps += self._remove(path, listed, force)
                except Conflict as conflict:
                    stay[path] = conflict
                except Refusal as refusal:
                    if refusal.status != HTTPStatus.CONFLICT:
                        raise
                    stay[path] = ServerError(f"{path} is not taken out: {refusal}")
            if not stay or len(stay) == len(gone):
                return steps, list(stay.values())
            gone = list(stay)

    def _remove(self, path: str, listed: dict[str, dict[str, Any]], force: bool) -> list[Step]:
        steps = []
        if path in listed:
            seen = self.kept.files[path]
            answer = self.client.get(f"/scripts/{segment(seen.id)}")
            if not force and seen != Seen.of(answer.value):
                raise Conflict(f"{path} is not taken out: {self._meanwhile(seen.id, seen)}")
            self.client.delete(f"/scripts/{segment(seen.id)}", match=answer.etag)
            steps.append(Step(path, "-", "is taken out"))
        del self.kept.files[path]
        self.keep()
        return steps

    def gone(self, local: dict[str, LocalFile]) -> list[Step]:
        """What was pulled and is here no more."""
        return [
            Step(path, " ", "is here no more, and stays at the server; --delete takes it out")
            for path in sorted(self.kept.files.keys() - local.keys())
        ]

    def _save(self, changed: list[dict[str, Any]], steps: list[Step], note: str) -> None:
        if len(changed) > AT_ONCE:
            raise ServerError(f"{len(changed)} files were changed, and {AT_ONCE} are saved in one step: name some")
        if not self.app:
            raise ServerError("scripts of no app are saved one by one: `scriptforge scripts save SCRIPT FILE`")
        try:
            answer = self.client.post(f"/apps/{segment(self.app)}/scripts", {"scripts": changed, "note": note})
        except Refusal as refusal:
            if refusal.changed:
                raise self._conflict([str(refusal)]) from None
            raise
        saved = {one["name"]: one for one in answer.value["items"]}
        for step in steps:
            if step.name:
                self.kept.files[step.path] = Seen.of(saved[step.name])
                step.words = f"version {saved[step.name]['version']}"

    def _meanwhile(self, script_id: str, seen: Seen | None) -> str:
        who = self._who(script_id)
        if seen is None:
            return f"is at the server, saved by {who}, and was not pulled"
        return f"version {seen.version} was pulled; meanwhile it was saved by {who}"

    def _conflict(self, what: Sequence[str]) -> Conflict:
        lines = "\n".join(f"  {one}" for one in what)
        return Conflict(
            f"nothing was saved:\n{lines}\n"
            "`scriptforge scripts diff` shows what differs, `scripts pull` takes what is there, --force overwrites it"
        )

    def _who(self, script_id: str) -> str:
        """Who saved a script last, and when, for people."""
        from sidecar.cli.remote.shown import when  # noqa: PLC0415 - of an error alone

        for version in self.client.pages(f"/scripts/{segment(script_id)}/versions", cursor="before", most=1):
            note = f" ({version['note']})" if version["note"] else ""
            return f"{version['who']} at {when(version['at'])} as version {version['number']}{note}"
        return "nobody"

    # ---- beside each other ----

    def differences(self, local: dict[str, LocalFile]) -> list[tuple[str, str]]:
        """By file the unified diff from the server's text to the one here."""
        found = []
        listed = self.listed()
        for path in sorted(listed.keys() | local.keys()):
            here, script = local.get(path), listed.get(path)
            if script is None and here is not None:
                found.append((path, unified("", here.text, "/dev/null", path)))
            elif script is not None and (here is None or here.hash != script["hash"]):
                text, seen = self.read(script)
                before = f"server/{path}@{seen.version}"
                if here is None:
                    found.append((path, unified(text, "", before, "/dev/null")))
                elif here.hash != seen.hash:
                    found.append((path, unified(text, here.text.replace("\r\n", "\n"), before, path)))
        return found


def unified(before: str, after: str, before_name: str, after_name: str) -> str:
    """A unified diff."""
    texts = before.splitlines(keepends=True), after.splitlines(keepends=True)
    lines = difflib.unified_diff(*texts, before_name, after_name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def require_app(client: "Client", app: str) -> None:
    """Raise Missing where there is no such app; ServerError."""
    try:
        client.get(f"/apps/{segment(app)}")
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        raise Missing(f"there is no app {app!r}: `scriptforge apps make {app}` makes it") from None


def find_script(client: "Client", named: str) -> tuple[dict[str, Any], str]:
    """A script by its id, its uuid or its name, and its ETag. Raises Missing, Conflict for a name that several have."""
    if named and len(named) <= 256 and "/" not in named:
        try:
            answer = client.get(f"/scripts/{segment(named)}")
        except Refusal as refusal:
            if refusal.status != 404:
                raise
        else:
            return answer.value, answer.etag
    found = [one for one in client.pages("/scripts") if named in (one["name"], one["uuid"])]
    if len(found) > 1:
        ids = ", ".join(f"{one['id']} of app {one['app']!r}" for one in found[:10])
        raise Conflict(f"several scripts are called {named!r}: name one by its id: {ids}")
    if not found:
        raise Missing(f"there is no script {named!r}")
    answer = client.get(f"/scripts/{segment(found[0]['id'])}")
    return answer.value, answer.etag
