"""What a run may use holds for what Node's modules do in it."""

import base64
import gzip

import msgpack
import msgspec

from sandbox.engine import Context, LoadedProgram
from sandbox.program import Program
from sandbox.status import Tag
from sidecar.hosts.node.packages import Packages
from sidecar.kind import Kind
from sidecar.language.prepared import prepare
from tests.sandbox.support import ADAPTER

PACKED = [base64.b64encode(gzip.compress(bytes(size))).decode() for size in (2**18, 2**25)]
BOMB = f"""const zlib = require('zlib');
  const main = (number) => zlib.gunzipSync(Buffer.from({PACKED}[number], 'base64')).length;"""
FILES = """const fs = require('fs');
  const main = (count) => { for (let n = 0; n < count; n++) fs.writeFileSync(`/tmp/${n}`, Buffer.alloc(2 ** 20));
    return fs.readdirSync('/tmp').length; };"""


def program(text: str) -> Program:
    made = prepare(text, Kind.APP, modules=Packages().names())
    found = Packages().of([text], made.modules, made.modules_at_top)
    return Program(
        key=text,
        name="a.js",
        suspends=True,
        text=text,
        adapter=ADAPTER,
        packages=found.packages,
        begun_packages=found.begun,
        package_globals=found.globals,
        memory_bytes=20_000_000,
    )


def outcomes(text: str, *given: int) -> list[object]:
    """What runs come to, one after the other in one context: a value, or the tag."""
    context = Context(True)
    loaded = context.load(program(text))
    assert isinstance(loaded, LoadedProgram), loaded
    found: list[object] = []
    for one in given:
        context.limit_time(60.0)
        context.use(loaded)
        status = context.start(msgpack.packb(one), "", 0.0)
        found.append(msgspec.msgpack.decode(status.payload) if status.tag is Tag.RETURNED else status.tag)
    return found


def test_what_is_unpacked_is_of_the_runs_memory() -> None:
    assert outcomes(BOMB, 0, 1, 0) == [2**18, Tag.OUT_OF_MEMORY, 2**18]


def test_files_are_of_the_runs_memory_and_gone_with_it() -> None:
    assert outcomes(FILES, 2, 40, 3) == [2, Tag.OUT_OF_MEMORY, 3]
