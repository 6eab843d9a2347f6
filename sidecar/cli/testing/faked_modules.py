"""The modules of the host as a script under test has them: those that its test plays, those that keep things in memory,
and none that reaches the world."""

import base64
import dataclasses
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from sidecar.cli.testing.exchange import Exchange
from sidecar.hosts.errors import HostError
from sidecar.hosts.grants import CALL_MODULE, Grants, installed_packages, shipped_modules
from sidecar.hosts.module import Asker, HostModule
from sidecar.hosts.request import SOCKET_MODULE
from sidecar.hosts.services import Services

NAME_CHARACTERS: Final = 100
KEEPERS: Final = frozenset({"cxKV", "cxUserspace", "cxPubSub", "environment"})
"""Modules that ask nobody but this process: a script under test has them as they are."""
FETCH: Final = "fetch"

Answer = Callable[[Asker, str, list[Any]], Awaitable[Any]]


@cache
def source(name: str) -> str:
    """A file of JavaScript beside this one."""
    return (files(__package__) / f"{name}.js").read_text(encoding="utf-8")


def faked_grants(fakes: Mapping[str, Any], exchange: Exchange, services: Services) -> Grants:
    """Grants of modules that a test has faked, by name as fakes.js describes them, of those that keep things in these
    services, and of those that there are besides, which refuse. Raises ValueError for a name that no module can have.
    """
    if CALL_MODULE in fakes:
        raise ValueError(f"{CALL_MODULE} is the call itself: script(...).call({{...}}) makes one")
    if SOCKET_MODULE in fakes:
        raise ValueError(f"{SOCKET_MODULE} is the web socket that a run was asked over, which no test makes")
    there_are = {module.name: module for module in shipped_modules()}
    made = {name: _unfaked(module) for name, module in there_are.items()}
    for name, described in fakes.items():
        if name == FETCH:
            made[name] = dataclasses.replace(there_are[name], answer=_played_fetch(described, exchange))
        else:
            named = there_are[name].globals if name in there_are else ()
            made[name] = _faked(name, described, exchange, named)
    return Grants(list(made.values()), services, installed_packages(services.modules_directory))


def own_grants(services: Services) -> Grants:
    """Grants of what a test itself may require: the modules that keep things, what is installed of npm's, and the
    others, for the scripts that it imports, which refuse."""
    own = [_unfaked(module) for module in shipped_modules() if module.name != FETCH]
    return Grants(own, services, installed_packages(services.modules_directory))


def _unfaked(module: HostModule) -> HostModule:
    if module.name in KEEPERS:
        return module

    async def refuse(_asker: Asker, _method: str, _values: list[Any]) -> Any:
        raise HostError(f"{module.name} is asked and not faked: fake('{module.name}', ...)")

    return dataclasses.replace(module, answer=refuse)


def _faked(name: str, described: Any, exchange: Exchange, named: tuple[str, ...]) -> HostModule:
    async def answer(_asker: Asker, method: str, values: list[Any]) -> Any:
        if method != "call" or len(values) != 2 or type(values[0]) is not int or type(values[1]) is not list:
            raise HostError("a fake is asked by its functions only")
        return await exchange.ask(values[0], values[1])

    # An expression, without the semicolon that its formatter has put behind it.
    javascript = source("faked_module").rstrip().removesuffix(";")
    javascript = javascript.replace("DESCRIBED", json.dumps(json.dumps(described)), 1)
    javascript = javascript.replace("GLOBALS", json.dumps(named), 1).replace("NAMED", json.dumps(name), 1)
    return HostModule(name=name, javascript=javascript, answer=answer, globals=named)


def _played_fetch(described: Any, exchange: Exchange) -> Answer:
    """The real one, whose requests go to the test."""

    async def answer(_asker: Asker, method: str, values: list[Any]) -> Any:
        match described, method, values:
            case {"function": int(number)}, "send", [{"url": str(url)} as asked]:
                headers = dict(asked.get("headers", []))
                given = {"url": url, "method": asked.get("method"), "headers": headers, **_body(asked)}
                answered = (await exchange.ask(number, [given]))["value"]
                if "bytes" in answered:
                    answered["base64"] = base64.b64encode(bytes(answered.pop("bytes"))).decode()
                return {"url": url, "redirected": False, **answered}
        raise HostError("it is no request", "TypeError")

    return answer


def _body(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    match asked:
        case {"text": str(text)}:
            return {"body": text}
        case {"base64": str(text)}:
            content = base64.b64decode(text)
            try:
                return {"body": content.decode()}
            except UnicodeDecodeError:
                return {"bytes": list(content)}
    return {}
