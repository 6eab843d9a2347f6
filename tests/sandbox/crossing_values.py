"""Values that cross into an engine and out of it, and how a test has them cross."""

from typing import Any

from hypothesis import strategies as st

from sandbox import _engine
from sandbox.engine import ROOM_BYTES, STACK_BYTES
from tests.sandbox.support import unpacked

MOST = 1_000_000


NESTING_MOST = 1000
"""As native/engine/reader.h has it."""


EXACT = 2**53


SOURCE = """(native) => {
  const { stringify, parse } = JSON;
  const shown = (write) => {
    try {
      const value = write();
      return value === undefined ? "Xundefined" : `X${value}`;
    } catch (error) {
      return `X!${error.name}: ${error.message}`;
    }
  };
  return {
    echo: () => {
      native.write(native.read(), 1e6);
      return "R";
    },
    stringified: () => shown(() => stringify(native.read())),
    parsed: (text) => shown(() => stringify(parse(text))),
    written: (expression, most) => {
      let fits;
      const failed = shown(() => {
        fits = native.write((0, eval)(expression), most);
      });
      if (fits === true) return native.lostValue() ? "R" : "R";
      return fits === false ? "Xtoo long" : failed;
    },
    lost: () => `X${native.lostValue()}`,
    oracle: (expression) => shown(() => stringify((0, eval)(expression))),
    called: (expression, most) => shown(() => native.addCall(most, 1, "f", (0, eval)(expression))),
    late: () => shown(() => native.read()),
  };
}"""


NAMES = ("echo", "stringified", "parsed", "written", "lost", "oracle", "called", "late")


ECHO, STRINGIFIED, PARSED, WRITTEN, LOST, ORACLE, CALLED, LATE = range(len(NAMES))


def new_engine() -> _engine.Engine:
    made = _engine.Engine(_engine.compile(SOURCE), NAMES, ROOM_BYTES, STACK_BYTES)
    made.limit_memory(100_000_000)
    made.limit_time(60.0)
    return made


def engine(kept: list[_engine.Engine] = []) -> _engine.Engine:  # noqa: B006 - one for all that leave nothing behind
    if not kept:
        kept.append(new_engine())
    kept[0].limit_time(60.0)
    return kept[0]


def said(function: int, *arguments: Any, at: _engine.Engine | None = None) -> str:
    head, payload = (at or engine()).call(function, *arguments)
    assert head[0] == "X", (head, payload)
    return payload.decode()


def written(expression: str, most: int = MOST, at: _engine.Engine | None = None) -> Any:
    """What an expression is as MessagePack, decoded; or in words why it is not."""
    head, payload = (at or new_engine()).call(WRITTEN, expression, most)
    assert head[0] in "RX", (head, payload)
    return ["value", unpacked(payload)] if head[0] == "R" else payload.decode()


def refused(message: bytes) -> str:
    head, payload = new_engine().call(ECHO, message)
    assert head[0] == "B", (head, payload)
    return payload.decode()


NUMBERS = st.integers(-EXACT, EXACT) | st.floats(allow_nan=False, allow_infinity=False)


KEYS = st.text(st.characters(codec="utf-8")) | st.sampled_from(
    ["__proto__", "then", "toJSON", "0", "10", "01", "length", "é", "Ã©"]
)


TREES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(KEYS, inner, max_size=20),
    max_leaves=40,
)
