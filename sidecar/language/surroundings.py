"""What a script finds around it: the names of the engine's and of ours, and what each of them has."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

OF_CALLS: Final = frozenset({"HangupError"})
"""Defined by what a script that drives a call runs in."""
OF_THE_OLDER_MODULES: Final = frozenset({"module", "exports"})
"""Told of where modules are."""
OF_THE_HOST: Final = frozenset({"api", "fetch", "getEnvVars", "setEnvVar"})
"""Names that ask the host. Told of where modules are, since whoever has none has none of these."""
_FUNCTION: Final = frozenset(
    (
        *("length", "name", "prototype", "apply", "bind", "call", "toString", "constructor", "hasOwnProperty"),
        *("isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "valueOf"),
    )
)
"""What every function and object has besides its own."""

ABSENT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("XMLHttpRequest", "WebSocket", "EventSource"), "network"),
    **dict.fromkeys(("global", "__dirname", "__filename", "Deno", "Bun"), "node"),
    "Buffer": "bytes",
    **dict.fromkeys(("Blob", "File", "FormData", "FileReader"), "bodies"),
    **dict.fromkeys(
        ("ReadableStream", "WritableStream", "TransformStream", "CompressionStream", "DecompressionStream"), "bodies"
    ),
    **dict.fromkeys(
        ("window", "document", "navigator", "location", "localStorage", "sessionStorage", "self"), "browser"
    ),
    **dict.fromkeys(("alert", "confirm", "prompt"), "browser"),
    **dict.fromkeys(("Worker", "MessageChannel", "MessagePort", "BroadcastChannel"), "alone"),
    **dict.fromkeys(("WebAssembly", "SharedArrayBuffer", "Atomics", "WeakRef", "FinalizationRegistry"), "engine"),
    "Temporal": "dates",
    "URLPattern": "patterns",
}
"""Names that authors know from elsewhere, and why they are not here."""
WHY: Final[Mapping[str, str]] = {
    "network": "use fetch, in an App",
    "node": "a script does not run in Node",
    "bytes": "a script does not run in Node: use Uint8Array, TextEncoder, TextDecoder, btoa and atob",
    "bodies": "use text, Uint8Array or URLSearchParams",
    "browser": "a script does not run in a browser",
    "alone": "a run is one thread and alone",
    "engine": "it is taken out for safety",
    "dates": "use Date, and Intl.DateTimeFormat for time zones",
    "patterns": "match new URL(...).pathname with a regular expression",
}


@cache
def _engine() -> Mapping[str, frozenset[str]]:
    text = (files(__package__) / "surroundings.json").read_text(encoding="utf-8")
    return {name: frozenset(members) for name, members in json.loads(text).items()}


def is_there(name: str) -> bool:
    """Whether a script may use this name without declaring it, be it that its kind may not."""
    return name in _engine() or name in OF_CALLS or name in OF_THE_OLDER_MODULES or name in OF_THE_HOST


def lacks(name: str, member: str) -> bool:
    """Whether a name of the surroundings is an object that has no such member of its own."""
    members = _engine().get(name, frozenset())
    return bool(members) and member not in members and member not in _FUNCTION


def why_absent(name: str) -> str:
    """What to tell of a name that is not there."""
    reason = ABSENT.get(name)
    return f"`{name}` is not available" + (f": {WHY[reason]}" if reason else "")


def why_undefined(name: str) -> str:
    """Why a name is not there that authors know from elsewhere, and what to use; empty for another."""
    return WHY[ABSENT[name]] if name in ABSENT else ""
