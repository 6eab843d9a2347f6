"""The same program in Node and in a worker, over the same servers: what each says."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from sidecar.kind import Kind
from sidecar.language.app_files import AppFiles
from sidecar.language.prepared import prepare
from tests.sidecar.hosts.module_runs import Scripts

MEMORY_BYTES = 100_000_000
SECONDS = 60.0
FOLDER = Path(__file__).parent
_BESIDE = {"failure.js": (FOLDER / "failure.js").read_text(encoding="utf-8")}
"""What programs require of each other."""
MAIN = "\nmodule.exports.main = ({ name, data }) => module.exports[name](data);\n"


class Both:
    """Real Node, which answers one question after the other, and scripts."""

    def __init__(self, scripts: Scripts, authorities: Path, packages: Path | None = None) -> None:
        """``authorities`` are trusted by Node besides those that it knows; ``packages`` is where it finds npm's."""
        self._packages = packages
        self._scripts = scripts
        self._authorities = authorities
        self._node: asyncio.subprocess.Process | None = None

    async def theirs(self, file: str, name: str, data: Any = None) -> Any:
        """What Node's says, as JSON has it. Raises AssertionError where it throws."""
        if self._node is None:
            self._node = await asyncio.create_subprocess_exec(
                *("node", "--no-warnings", str(FOLDER / "node_programs.js")),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=10_000_000,
                env={
                    **os.environ,
                    "NODE_EXTRA_CA_CERTS": str(self._authorities),
                    "NODE_PATH": str(self._packages or ""),
                },
            )
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.write(json.dumps([str(FOLDER / file), name, data]).encode() + b"\n")
        answer = json.loads(await self._node.stdout.readline())
        assert "value" in answer, answer["error"]
        return answer["value"]

    async def ours(self, file: str, name: str, data: Any = None, tenant: str = "t") -> Any:
        """What a script's says."""
        text = (FOLDER / file).read_text(encoding="utf-8") + MAIN
        return await self._scripts.run(
            text,
            {"name": name, "data": data},
            tenant,
            memory_bytes=MEMORY_BYTES,
            seconds=SECONDS,
            prepared=prepare(text, Kind.APP, AppFiles(entry="s.js", texts=_BESIDE)),
        )

    async def same(self, file: str, name: str, data: Any = None) -> Any:
        """What both say. Raises AssertionError where they differ."""
        theirs, ours = await self.theirs(file, name, data), await self.ours(file, name, data)
        if ours != theirs:
            raise AssertionError(f"of {name} Node says\n{json.dumps(theirs)}\nand a script\n{json.dumps(ours)}")
        return ours

    async def close(self) -> None:
        """End Node."""
        if self._node is not None:
            self._node.kill()
            await self._node.communicate()
