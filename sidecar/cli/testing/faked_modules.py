"""The modules of the host as a script under test has them: those that its test plays, and none that is real."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from sidecar.cli.testing.exchange import Exchange
from sidecar.hosts.errors import HostError
from sidecar.hosts.grants import CALL_MODULE, Grants, shipped_names
from sidecar.hosts.module import Asker, HostModule

NAME_CHARACTERS: Final = 100


@cache
def source(name: str) -> str:
    """A file of JavaScript beside this one."""
    return (files(__package__) / f"{name}.js").read_text(encoding="utf-8")


def faked_grants(fakes: Mapping[str, Any], exchange: Exchange) -> Grants:
    """Grants of modules that a test has faked, by name as fakes.js describes them, and of those that there are besides,
    which refuse. Raises ValueError for a name that no module can have."""

    async def answer(_asker: Asker, method: str, values: list[Any]) -> Any:
        if method != "call" or len(values) != 2 or type(values[0]) is not int or type(values[1]) is not list:
            raise HostError("a fake is asked by its functions only")
        return await exchange.ask(values[0], values[1])

    async def refuse(_asker: Asker, _method: str, _values: list[Any]) -> Any:
        raise HostError("no test plays this module")

    if CALL_MODULE in fakes:
        raise ValueError(f"{CALL_MODULE} is the call itself: script(...).call({{...}}) makes one")
    made = [
        HostModule(
            name=name, javascript=_with(source("faked_module"), "DESCRIBED", json.dumps(described)), answer=answer
        )
        for name, described in fakes.items()
    ]
    for name in sorted(shipped_names() - fakes.keys() - Grants().names()):
        unsaid = f"{name} is asked and not faked: fake('{name}', {{...}})"
        made.append(HostModule(name=name, javascript=_with(source("unfaked_module"), "NAMED", unsaid), answer=refuse))
    return Grants(made)


def _with(javascript: str, word: str, text: str) -> str:
    # An expression, without the semicolon that its formatter has put behind it.
    return javascript.rstrip().removesuffix(";").replace(word, json.dumps(text), 1)
