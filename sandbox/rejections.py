"""Promises that were rejected and that nobody waited for: the engine tells of each, its binding does not pass it on.

What is told is kept in the context itself, in a list of the runtime's own, so that nothing of a script's is held here.
"""

import ctypes
from typing import Any, Final

from sandbox.bytecode import Bytecode, Value

UNHEARD: Final = 16
"""Rejections of one run that are kept: their author mends the first few."""

_TRACKER: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p, Value, Value, ctypes.c_bool, ctypes.c_void_p)
_NORMAL: Final = 7
"""JS_PROP_C_W_E."""
_UNDEFINED: Final = Value(0, 3)
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "JS_SetHostPromiseRejectionTracker": (None, (ctypes.c_void_p, _TRACKER, ctypes.c_void_p)),
    "JS_DefinePropertyValueUint32": (ctypes.c_int, (ctypes.c_void_p, Value, ctypes.c_uint32, Value, ctypes.c_int)),
    "JS_DupValue": (Value, (ctypes.c_void_p, Value)),
}


class Rejections:
    """Has each context that is watched keep its promises that were rejected without a handler.

    Where this build of the engine hides what is needed, nothing is kept and nobody is told.
    """

    __slots__ = ("_available", "_engine", "_lists", "_slots", "_tracker")

    def __init__(self, bytecode: Bytecode) -> None:
        self._engine = bytecode.engine
        self._lists: dict[int, Value] = {}
        """The list of each watched context, by its address. The runtime in the context owns it."""
        self._slots: dict[int, dict[int, int]] = {}
        """By context: the place in its list of each promise that nobody has heard, by the promise's address."""
        self._available = bytecode.available
        try:
            for name, (result, arguments) in _FUNCTIONS.items():
                function = getattr(self._engine, name)
                function.restype, function.argtypes = result, arguments
        except AttributeError:
            self._available = False
        # Made once, before the confinement: the code that leads back to Python is memory that may be executed.
        self._tracker = _TRACKER(self._told)

    def watch(self, runtime: int, context: int, unheard: Value) -> None:
        """Keep in ``unheard``, a list in the context that lives as long as it does, what is told of the context."""
        if self._available:
            self._lists[context] = unheard
            self._slots[context] = {}
            self._engine.JS_SetHostPromiseRejectionTracker(runtime, self._tracker, None)

    def forget(self, context: int) -> None:
        """The context is no more."""
        self._lists.pop(context, None)
        self._slots.pop(context, None)

    def any(self, context: int) -> bool:
        """Whether there is a rejection that nobody has heard."""
        return bool(self._slots.get(context))

    def clear(self, context: int) -> None:
        """The list has been emptied."""
        slots = self._slots.get(context)
        if slots:
            slots.clear()

    def _told(self, context: int, promise: Value, reason: Value, is_handled: bool, _opaque: object) -> None:
        """Called by the engine, with the values its own."""
        slots = self._slots.get(context)
        if slots is None:
            return
        if is_handled:
            place = slots.pop(promise.payload, None)
            if place is not None:
                self._put(context, 2 * place, _UNDEFINED)
                self._put(context, 2 * place + 1, _UNDEFINED)
        elif len(slots) < UNHEARD:
            place = next(number for number in range(UNHEARD) if number not in slots.values())
            # The promise as well: as long as it is there no other has its address.
            if self._put(context, 2 * place, self._engine.JS_DupValue(context, promise)) and self._put(
                context, 2 * place + 1, self._engine.JS_DupValue(context, reason)
            ):
                slots[promise.payload] = place

    def _put(self, context: int, index: int, value: Value) -> bool:
        """Whether there was memory for it."""
        done: int = self._engine.JS_DefinePropertyValueUint32(context, self._lists[context], index, value, _NORMAL)
        if done < 0:
            self._engine.JS_FreeValue(context, self._engine.JS_GetException(context))
        return done > 0
