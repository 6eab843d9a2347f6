"""A script in the real engine that drives a call in memory."""

from pathlib import Path
from typing import Any

from sidecar.calls.calls import Calls
from sidecar.catalog.compile import make_script
from sidecar.catalog.model import Snapshot, VoiceAssignment
from sidecar.configuration.tree import Configuration, VoiceSection
from sidecar.kind import Kind
from sidecar.operations.call_record import CallRecord
from tests.doubles.engine_runner import EngineRunner
from tests.doubles.memory_call import MemoryCall


class Exchange:
    """Calls over the engine in this process, and the records of those that are over."""

    def __init__(self, text: str, tmp_path: Path, assigned_to: str = "acme", **variables: Any) -> None:
        script = make_script(id="menu", name="menu.js", kind=Kind.APP, text=text)
        assignment = VoiceAssignment(script_id="menu", customer=assigned_to, variables=variables)
        self.runner = EngineRunner()
        self.records: list[CallRecord] = []
        voice = VoiceSection(sounds=tmp_path / "sounds", recordings=tmp_path / "recordings", grace_seconds=0.05)
        self.calls = Calls(
            self.runner,
            Configuration(voice=voice),
            Snapshot(scripts={"menu": script}, routes={}, dids={}, destinations={"100": assignment}),
            self.records.append,
        )

    def call(self, **offer: Any) -> MemoryCall:
        return MemoryCall(self.calls, **offer)

    @property
    def record(self) -> CallRecord:
        (record,) = self.records
        return record


def main(body: str) -> str:
    return f"async function main(data, ctx) {{\n{body}\n}}\n"
