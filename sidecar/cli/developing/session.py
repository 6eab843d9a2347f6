"""The work of `scriptforge dev`: look at the folder, save, run, and show what scripts write."""

import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from sidecar.cli.developing.local_app import LocalApp, Saved, entry_of, read_variables_file
from sidecar.cli.remote.checkout import app_paths
from sidecar.cli.remote.client import Client
from sidecar.cli.remote.command import problems_of, tell
from sidecar.cli.remote.errors import Refusal, ServerError
from sidecar.cli.remote.paths import segment
from sidecar.cli.remote.run_text import console_text, error_text, result_text
from sidecar.cli.scripts import read_data
from sidecar.cli.terminal import Paint, Painter
from sidecar.report import report
from sidecar.text import escaped

LOOK_SECONDS: Final = 0.25
"""How often it is looked whether a file has changed: of a hundred files each look takes a millisecond."""
WAITING: Final = 10_000
"""Lines of runs that wait to be shown; further ones are left out."""

State = dict[str, tuple[int, int]]


class Session:
    """One folder, watched until it is told to stop."""

    def __init__(
        self,
        client: Client,
        folder: Path,
        *,
        kind: str | None = None,
        script: str | None = None,
        function: str = "main",
        data: Path | None = None,
        variables: Path | None = None,
        runs: bool = True,
    ) -> None:
        self._client = client
        self._folder = folder
        self._app = LocalApp(client, folder, kind)
        self._script = script
        self._function = function
        self._data = data
        self._variables = variables
        self._runs = runs
        self._paint = Painter.of(sys.stdout)
        self._stopping = threading.Event()
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue(WAITING)
        self._own: set[str] = set()
        """Runs whose console was shown as it came."""

    def stop(self) -> None:
        """Have `work` return, once the platform has ended what it was asked."""
        self._stopping.set()

    def work(self) -> None:
        """Watch until told to stop. Raises ServerError where the platform does not answer any more."""
        self._app.prepare()
        threading.Thread(target=self._follow, daemon=True).start()
        before: State | None = None
        while not self._stopping.is_set():
            state = self._state()
            if state != before:
                before = state
                self._changed()
            self._show_lines()
            self._stopping.wait(LOOK_SECONDS)

    def _state(self) -> State:
        """When each file that is watched was changed, and its size."""
        watched = [self._folder / path for path in app_paths(self._folder)]
        watched += [one for one in (self._data, self._variables) if one is not None]
        found = {}
        for file in watched:
            try:
                status = os.stat(file)  # noqa: PTH116 - four times a second
            except OSError:
                continue  # gone meanwhile
            found[str(file)] = (status.st_mtime_ns, status.st_size)
        return found

    def _changed(self) -> None:
        clock = self._paint(time.strftime("%H:%M:%S"), Paint.FAINT)
        try:
            self._app.set_variables(read_variables_file(self._variables) if self._variables is not None else {})
            saved = self._app.save()
        except Refusal as refusal:
            if self._stopping.is_set():
                return
            if refusal.problems:
                print(report(problems_of(refusal), self._app.sources), end="")
                print(f"{clock} {self._paint('not saved; what was saved before goes on', Paint.BAD)}", flush=True)
                return
            tell(refusal)
            return
        except ServerError as error:
            if not self._stopping.is_set():
                tell(error)
            return
        print(f"{clock} {self._paint(_counted(saved), Paint.GOOD)}", flush=True)
        if saved.new:
            self._print_addresses(saved)
        if self._runs:
            self._run(saved)

    def _print_addresses(self, saved: Saved) -> None:
        for path, script in sorted(saved.scripts.items()):
            if not path.endswith(".json"):
                print(f"    {self._client.server.url}/run/{script['uuid']}  {escaped(path)}", flush=True)

    def _run(self, saved: Saved) -> None:
        try:
            entry = entry_of(saved.scripts, self._script, self._app.sources)
            if entry is None:
                if saved.new and saved.scripts:
                    print("    several scripts: --script FILE says which is run on each save", flush=True)
                return
            data = read_data(str(self._data)) if self._data is not None else {}
            self._run_script(saved.scripts[entry], data)
        except ServerError as error:
            if not self._stopping.is_set():
                tell(error)

    def _run_script(self, script: dict[str, Any], data: dict[str, Any]) -> None:
        path = f"/scripts/{segment(script['id'])}/run/{segment(self._function)}"
        began = time.monotonic()
        print(self._paint(escaped(f"{script['name']} {self._function}()"), Paint.BOLD), flush=True)
        for name, event in self._client.events("POST", path, body=data):
            match name:
                case "header" if event["key"] == "x-run-id":
                    self._own.add(event["value"])
                case "log":
                    level = event["level"].removeprefix("console.")
                    print(console_text(level, event["payload"], self._paint), end="", flush=True)
                case "error":
                    details = event["details"]
                    failed = {"name": event["name"], "error": event["message"], **details}
                    print(error_text(failed, self._paint), end="", flush=True)
                case "":
                    print(result_text(event), end="", flush=True)
        print(self._paint(f"{(time.monotonic() - began) * 1000:.0f} ms", Paint.FAINT), flush=True)

    # ---- runs by uuid ----

    def _follow(self) -> None:
        """What all runs write, as it comes. In a thread of its own, which ends with the platform."""
        try:
            for name, line in self._client.events("GET", "/log"):
                if name == "log" and not self._lines.full():
                    self._lines.put(line)
        except ServerError as error:
            if not self._stopping.is_set():
                tell(error)

    def _show_lines(self) -> None:
        while True:
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                return
            if line["run"] not in self._own:
                head = self._paint(escaped(f"{line['run'][:8]} {line['function']}()"), Paint.FAINT)
                print(f"{head} {console_text(line['level'], line['text'], self._paint)}", end="", flush=True)


def _counted(saved: Saved) -> str:
    count = len(saved.scripts)
    return f"{count} file{'' if count == 1 else 's'} saved" if count else "there is no script in the folder yet"
