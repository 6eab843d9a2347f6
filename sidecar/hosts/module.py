"""What a module of the host is: the JavaScript that a script requires, and the coroutine that answers what it asks."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sidecar.catalog.model import Script
from sidecar.hosts.handles import Handles
from sidecar.hosts.services import Services
from sidecar.kind import RULES, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks: a module answers nobody else's questions with it."""

    script: Script
    correlation_id: str
    """The call's own id, as ``process.env.CORRELATION_ID``."""
    services: Services
    handles: Handles = field(default_factory=Handles)

    @property
    def tenant(self) -> str:
        """Whose script it is: nothing crosses from one to another."""
        return self.script.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class HostModule:
    """A module that a script may be granted. Raises ValueError for a name that is empty or has a dot."""

    name: str
    """What a script writes in ``require('...')`` and ``import ... from '...'``. What it asks is named after it, with a
    dot in between."""
    javascript: str
    """A function expression of ``{ask, listen, digest}`` that gives the module's value. ``ask(method, ...values)`` is a
    promise of what ``answer`` returns; ``listen`` is the same for what may come or not, which no author is told of who
    has not awaited it; ``digest("SHA-256", bytes)`` an ArrayBuffer, at once. It is evaluated before the
    author's text, so that the author cannot change what it uses."""
    answer: Callable[[Asker, str, list[Any]], Awaitable[Any]]
    """Gives what the promise resolves with, of what JSON can say (`sandbox.values.encode`), for the asker, the method's
    name and its values, which are the script's and may be anything. Raises HostError to reject it. Cancelled when the
    run is over."""
    globals: tuple[str, ...] = ()
    """Names that its JavaScript defines in the script's realm: whoever writes one of them asks the module."""
    packages: frozenset[str] = frozenset()
    """Core modules of Node's (`sidecar.hosts.node`) that ask it, where no script does so itself: it is there for a
    program that has one of them, and a script may name it nowhere but in what it is granted."""
    kinds: frozenset[Kind] = frozenset(kind for kind, rules in RULES.items() if rules.has_modules)
    """The kinds of scripts that may be granted it; a Script, which cannot wait, is never among them."""

    def __post_init__(self) -> None:
        if not self.name or "." in self.name:
            raise ValueError(f"{self.name!r} is no name of a module")


def javascript_beside(file: str, *shared: str) -> str:
    """The JavaScript file of the same name as a Python file and beside it: ``kv.js`` of ``kv.py``. What it shares with
    others it has under these names: each is the value of ``shared/NAME.js``, an expression, made anew for the
    module."""
    path = Path(file)
    text = _expression(path.with_suffix(".js"))
    if not shared:
        return text
    # In the line where the module's own begins, so that places in it stay what they are.
    given = ", ".join(_expression(path.parent / "shared" / f"{name}.js") for name in shared)
    return f"(({', '.join(shared)}) => {text})({given})"


def _expression(path: Path) -> str:
    return path.read_text(encoding="utf-8").rstrip().removesuffix(";")
