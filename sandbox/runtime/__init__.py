"""The JavaScript half of the sandbox: one closure that a context evaluates before anything of the author's."""

from functools import cache
from importlib.resources import files


def parts(suspends: bool) -> tuple[str, ...]:
    """The files of the runtime, for runs that may wait or may not. All are one scope, evaluated in this order."""
    turns = ("modules.js", "packages.js", "suspending.js") if suspends else ("synchronous.js",)
    return ("intrinsics.js", "intl.js", "console.js", "failure.js", "run.js", *turns, "entry.js")


@cache
def source(suspends: bool) -> str:
    """The whole runtime, a function of what native/engine lends it, which gives the runtime's functions by name."""
    text = "\n".join((files(__package__) / part).read_text(encoding="utf-8") for part in parts(suspends))
    return f'((native) => {{"use strict";\n{text}\n}})'
