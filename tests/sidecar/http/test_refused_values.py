"""What is wrong with values is told in words of our own, whatever a shape of the API asks of them."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

import sidecar.http
from sidecar.http import refused_values
from sidecar.http.refused_values import refused_value
from sidecar.http.shapes import Body, InPath, Limit, NumberInPath, VariableInPath

WRONG: tuple[Any, ...] = (
    *("", "\x00", "x" * 10_000, "no such", "-", "2026-99-99"),
    *(0, -1, 1.5, 10**30, True, [], ["no such"], {}, None),
)


def bodies() -> Iterator[type[Body]]:
    for package in (sidecar.http, importlib.import_module("sidecar.http.routes")):
        for found in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{found.name}")
    waiting = [Body]
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        yield one


def told(adapter: TypeAdapter[Any], value: object) -> list[str]:
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        return [refused_value({**one, "loc": ("body", *one["loc"])}) for one in error.errors()]
    return []


@pytest.mark.parametrize("body", sorted(bodies(), key=str), ids=str)
def test_every_wrong_value_of_a_body_is_told_in_our_words(body: type[Body]) -> None:
    found = told(TypeAdapter(body), {"no such key": 1}) + told(TypeAdapter(body), 1)
    for name in body.model_fields:
        for wrong in WRONG:
            found += [one for one in told(TypeAdapter(body), {name: wrong}) if one.startswith(name)]
    assert "no such key: there is no such key" in found
    odd = [one for one in found if refused_values._ODD in one or "nput should" in one or "String" in one]
    assert not odd


@pytest.mark.parametrize("shape", [InPath, VariableInPath, Limit, NumberInPath])
def test_every_wrong_value_of_a_path_or_a_query_is_too(shape: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(shape)
    found = [one for wrong in (*WRONG, "a/b", "BAD NAME") for one in told(adapter, wrong)]
    assert found
    assert not [one for one in found if refused_values._ODD in one]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"type": "literal_error", "loc": ("body", "scopes", 0), "input": "foo",
          "ctx": {"expected": "'read', 'write', 'run' or 'admin'"}},
         "scopes.0: 'foo' is none of 'read', 'write', 'run', 'admin'"),
        ({"type": "string_pattern_mismatch", "loc": ("path", "name"), "ctx": {"pattern": r"^[A-Za-z_][A-Za-z0-9_]*$"}},
         "name: expected letters, digits and `_`, and no digit first"),
        ({"type": "string_too_short", "loc": ("body", "did"), "ctx": {"min_length": 1}},
         "did: must not be empty"),
        ({"type": "missing", "loc": ("body",)}, "body: is missing"),
        ({"type": "less_than_equal", "loc": ("query", "limit"), "ctx": {"le": 500}}, "limit: expected 500 or less"),
    ],
)  # fmt: skip
def test_the_words_name_the_field_and_what_is_right(error: dict[str, Any], words: str) -> None:
    assert refused_value(error) == words
