"""The same function body in real Node and in the sandbox, with the same input: what both say."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import msgpack

from sandbox.engine import Context, LoadedProgram, RunBounds, Status
from sandbox.program import Program
from sandbox.status import Tag
from sidecar.hosts.node.packages import Packages
from sidecar.kind import Kind
from sidecar.language.prepared import prepare
from tests.sandbox.support import ADAPTER, suspended

_FILE: Final = Path(__file__).with_name("node_answers.js")
_PROGRAM: Final = """
const body = async (input) => {{ {body}
}};
const told = (error) => ({{ name: error?.name, code: error?.code, message: error?.message ?? String(error) }});
const main = async (input) => {{
  try {{ return JSON.stringify({{ value: await body(JSON.parse(input)) }}) }}
  catch (error) {{ return JSON.stringify({{ error: told(error) }}) }}
}};
"""


class Node:
    """One process of it, which answers one question after the other."""

    def __init__(self, folder: Path | None = None) -> None:
        """``folder`` has the ``node_modules`` that it is to find packages in."""
        source = _FILE.read_text(encoding="utf-8")
        self._process = subprocess.Popen(
            ["node", "-e", source],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=folder or _FILE.parent,
        )

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def answer(self, body: str, given: Any = None) -> Any:
        """What it says."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"body": body, "input": given}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


class Sandbox:
    """One context, in this process."""

    def __init__(self, packages: Packages | None = None) -> None:
        self._packages = packages or Packages()
        self._context = Context(suspends=True)
        self._loaded: dict[str, LoadedProgram | Status] = {}

    def answer(self, body: str, given: Any = None) -> Any:
        """What it says; the status where a run did not come to its end."""
        text = _PROGRAM.format(body=body)
        if text not in self._loaded:
            self._loaded[text] = self._context.load(self._program(text))
        loaded, context = self._loaded[text], self._context
        if isinstance(loaded, Status):
            return loaded
        context.use(loaded)
        now = 1_700_000_000_000.0
        context.limit_time(60.0)
        bounds = RunBounds(10_000_000, 100_000, 1_000)
        status = context.start(msgpack.packb(json.dumps(given)), "", now, "main", bounds, 7)
        while True:
            while status.tag is Tag.WAITING and context.run_jobs(64):
                status = context.poll(context.idle)
            if status.tag is Tag.WAITING:
                status = context.poll(True)
            if status.tag is not Tag.WAITING or status.waits_ms is None:
                break
            image = suspended(context, 500_000_000, b"a")
            assert image is not None
            context.resume(image, b"a")
            now += max(0.0, status.waits_ms)
            context.limit_time(60.0)
            status = context.fire(now)
        return json.loads(msgpack.unpackb(status.payload)) if status.tag is Tag.RETURNED else status

    def _program(self, text: str) -> Program:
        made = prepare(text, Kind.APP, modules=self._packages.names())
        found = self._packages.of([text], made.modules, made.modules_at_top)
        return Program(
            key=f"{len(self._loaded)}",
            name="author.js",
            suspends=True,
            text=made.text,
            form=made.form,
            adapter=ADAPTER,
            packages=found.packages,
            begun_packages=tuple(found.packages),
            package_globals=found.globals,
            memory_bytes=500_000_000,
        )


class Both:
    """Real Node and the sandbox."""

    def __init__(self, node: Node, sandbox: Sandbox) -> None:
        self._node = node
        self._sandbox = sandbox

    def answer(self, body: str, given: Any = None) -> Any:
        """What both say. Raises AssertionError where that is not the same."""
        theirs, ours = self._node.answer(body, given), self._sandbox.answer(body, given)
        if ours != theirs:
            raise AssertionError(f"of {body!r} with {given!r} Node says\n{theirs}\nand a script\n{ours}")
        return ours

    def theirs(self, body: str, given: Any = None) -> Any:
        """What Node says."""
        return self._node.answer(body, given)

    def ours(self, body: str, given: Any = None) -> Any:
        """What the sandbox says."""
        return self._sandbox.answer(body, given)

    def value(self, body: str, given: Any = None) -> Any:
        """The value that both give."""
        return self.answer(body, given)["value"]
