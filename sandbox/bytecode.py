"""Trusted JavaScript compiled once a process and read by each context: an eighth of the time of compiling it there.

Our runtime took 570 us of each context and the adapter of calls 400; as bytecode they take 90 and 35, and no context
keeps their text. The binding has no call for this, but the library that it is has the engine's own under their public
names. Bytecode is to be read from nobody else: what is read here was written by the same engine in the same process, of
our own text. An author's text is always compiled where it runs, within its limits.
"""

import ctypes
import struct
from types import ModuleType
from typing import Any, Final

VERSION: Final = b"0.17."
"""How the version begins of the engine whose flags are those below."""
CONTEXT_BYTES: Final = 80
"""Size of the binding's Context, whose fields after the object's head are the runtime and the context."""
FILE_NAME: Final = b"<input>"
_COMPILE_ONLY: Final = 1 << 5
_BYTECODE: Final = 1 << 0
_STRIP_SOURCE: Final = 1 << 4
_STRIP_DEBUG: Final = 1 << 5
_EXCEPTION: Final = 6
_HANDED_OVER: Final = (
    "(() => { const { handedOver } = globalThis; delete globalThis.handedOver; return handedOver; })()"
)


class Value(ctypes.Structure):
    """A JSValue of a 64-bit engine; owned by whoever has it, unless it is given away."""

    _fields_ = (("payload", ctypes.c_uint64), ("tag", ctypes.c_int64))


_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "JS_GetVersion": (ctypes.c_char_p, ()),
    "JS_GetRuntimeOpaque": (ctypes.c_void_p, (ctypes.c_void_p,)),
    "JS_UpdateStackTop": (None, (ctypes.c_void_p,)),
    "JS_Eval": (Value, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_int)),
    "JS_WriteObject": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t), Value, ctypes.c_int)),
    "JS_ReadObject": (Value, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)),
    "JS_EvalFunction": (Value, (ctypes.c_void_p, Value)),
    "JS_GetGlobalObject": (Value, (ctypes.c_void_p,)),
    "JS_GetException": (Value, (ctypes.c_void_p,)),
    "JS_GetPropertyStr": (Value, (ctypes.c_void_p, Value, ctypes.c_char_p)),
    "JS_NewArrayBuffer": (
        Value,
        (ctypes.c_void_p, ctypes.c_void_p, *(ctypes.c_size_t,) * 2, *(ctypes.c_void_p,) * 2, ctypes.c_bool),
    ),
    "JS_SetPropertyStr": (ctypes.c_int, (ctypes.c_void_p, Value, ctypes.c_char_p, Value)),
    "JS_FreeValue": (None, (ctypes.c_void_p, Value)),
    "js_free": (None, (ctypes.c_void_p, ctypes.c_void_p)),
}


class Bytecode:
    """The engine's compiler and reader behind the binding ``quickjs``.

    Where this build of it hides or changes what is needed, there is no bytecode: everything is compiled from text.
    """

    __slots__ = ("_quickjs", "available", "engine")

    def __init__(self, quickjs: ModuleType) -> None:
        self._quickjs = quickjs
        self.available = quickjs.Context.__basicsize__ == CONTEXT_BYTES and ctypes.sizeof(ctypes.c_void_p) == 8
        try:
            # With the GIL held: what runs is ours, and short.
            self.engine = ctypes.PyDLL(str(quickjs.__file__))
            for name, (result, arguments) in _FUNCTIONS.items():
                function = getattr(self.engine, name)
                function.restype, function.argtypes = result, arguments
            self.available = self.available and self.engine.JS_GetVersion().startswith(VERSION)
        except (OSError, AttributeError):
            self.available = False
        if self.available:
            context = quickjs.Context()
            self.available = self.engine.JS_GetRuntimeOpaque(pointers(context)[0]) == id(context)

    def compile(self, text: str) -> bytes | None:
        """The script ``text`` as bytecode; None where there is none to be had, be it that the text is no script."""
        if not self.available:
            return None
        engine, scratch = self.engine, self._quickjs.Context()
        runtime, context = pointers(scratch)
        engine.JS_UpdateStackTop(runtime)
        written = text.encode()
        compiled = engine.JS_Eval(context, written, len(written), FILE_NAME, _COMPILE_ONLY)
        if compiled.tag == _EXCEPTION:
            return None
        size = ctypes.c_size_t()
        flags = _BYTECODE | _STRIP_SOURCE | _STRIP_DEBUG
        block = engine.JS_WriteObject(context, ctypes.byref(size), compiled, flags)
        engine.JS_FreeValue(context, compiled)
        if not block:
            return None
        code = ctypes.string_at(block, size.value)
        engine.js_free(context, block)
        return code

    def evaluate(self, target: Any, code: bytes) -> Any:
        """What the script ``code`` ends in, as the binding gives it; None where the context has no memory for it."""
        engine = self.engine
        runtime, context = pointers(target)
        engine.JS_UpdateStackTop(runtime)
        value = engine.JS_ReadObject(context, code, len(code), _BYTECODE)
        if value.tag != _EXCEPTION:
            value = engine.JS_EvalFunction(context, value)
        if value.tag == _EXCEPTION:
            engine.JS_FreeValue(context, engine.JS_GetException(context))
            return None
        self._hand_over(context, value)
        return target.eval(_HANDED_OVER)

    def handed_over(self, target: Any) -> Value:
        """The global ``handedOver`` of a context, in which nobody's code has run: a value that the context owns."""
        _, context = pointers(target)
        realm = self.engine.JS_GetGlobalObject(context)
        value: Value = self.engine.JS_GetPropertyStr(context, realm, b"handedOver")
        self.engine.JS_FreeValue(context, realm)
        self.engine.JS_FreeValue(context, value)
        return value

    def lend(self, target: Any, address: int, size: int) -> None:
        """Give a context memory of this process to read, as an ArrayBuffer that the next script finds handed over.

        The memory has to be there as long as the context. Nothing happens where the engine's own calls are out of
        reach.
        """
        if not self.available:
            return
        engine = self.engine
        runtime, context = pointers(target)
        engine.JS_UpdateStackTop(runtime)
        value = engine.JS_NewArrayBuffer(context, address, size, 0, None, None, False)
        if value.tag == _EXCEPTION:
            engine.JS_FreeValue(context, engine.JS_GetException(context))
            return
        self._hand_over(context, value)

    def _hand_over(self, context: int, value: Value) -> None:
        # Nobody's code has run in the context yet, or this name could be a setter.
        realm = self.engine.JS_GetGlobalObject(context)
        self.engine.JS_SetPropertyStr(context, realm, b"handedOver", value)
        self.engine.JS_FreeValue(context, realm)


def pointers(context: Any) -> tuple[int, int]:
    """Addresses of the engine's runtime and context behind the binding's Context."""
    head = object.__basicsize__
    runtime, engine_context = struct.unpack("QQ", ctypes.string_at(id(context) + head, 16))
    return runtime, engine_context
