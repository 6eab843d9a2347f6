"""Calls and vars from files: the forms that are understood, and where a mistake is said to be."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli.call_data import InputError, read_request, read_variables
from sipio.routing import Direction, RoutingRequest, SipRequest, pack_routing, unpack_routing


def read(directory: Path, text: str) -> RoutingRequest:
    file = directory / "call.json"
    file.write_text(text)
    return read_request(str(file), "ours")


def problem(directory: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        read(directory, text)
    return str(caught.value).removeprefix(f"{directory}/")


@pytest.mark.parametrize("routing", ['{"egress_routing":{"1":{}}}', '{"egress_routing":["london"]}', '{"cli":[1]}'])
def test_a_routing_of_the_wrong_shape_names_the_field(tmp_path: Path, routing: str) -> None:
    with pytest.raises(InputError, match=r"at `routing\.(egress_routing|cli)"):
        read(tmp_path, f'{{"routing":{routing}}}')


def test_the_least_form(tmp_path: Path) -> None:
    assert read(tmp_path, '{"routing":{}}') == RoutingRequest(call_id="ours", routing=pack_routing({}))


def test_a_whole_request(tmp_path: Path) -> None:
    request = read(
        tmp_path,
        '{"call_id":"a","direction":"origination","did":"49","timeout_ms":5,"routing":{"cli":"1"},'
        '"sip":{"uri":"sip:1@h","headers":[["X","1"]]}}',
    )
    assert (request.call_id, request.direction, request.did, request.timeout_ms) == (
        "a",
        Direction.ORIGINATION,
        "49",
        5,
    )
    assert request.sip == SipRequest(uri="sip:1@h", headers=[("X", "1")])


def test_half_of_a_surrogate_pair_is_its_escape_to_a_script_wherever_it_stands(tmp_path: Path) -> None:
    request = read(tmp_path, r'{"routing":{"x":"\ud800"},"sip":{"uri":"\udfff","headers":[["\ud800","1"]]}}')
    assert unpack_routing(request.routing) == {"x": r"\ud800"}
    assert request.sip == SipRequest(uri=r"\udfff", headers=[(r"\ud800", "1")])


def test_a_sip_request_of_a_wrong_shape_is_named_by_its_place(tmp_path: Path) -> None:
    assert "at `sip.headers[0]`" in problem(tmp_path, '{"routing":{},"sip":{"headers":[["X"]]}}')
    assert "unknown field `header`" in problem(tmp_path, '{"routing":{},"sip":{"header":[]}}')


@pytest.mark.parametrize("inner", ['"routing":{"cli":"1"},', '"routing":{"cli":"1","egress_routing":[{"id":1}]},', ""])
def test_what_a_script_finds_at_data_itself(inner: str, tmp_path: Path) -> None:
    request = read(tmp_path, "{" + inner + '"egress_routing":[{"id":1}],"headers":[],"remove_headers":[]}')
    assert unpack_routing(request.routing)["egress_routing"] == [{"id": 1}]
    assert unpack_routing(request.routing)["headers"] == []


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'\xef\xbb\xbf{"routing":{"cli":"1"}}')))
    assert unpack_routing(read_request("-", "ours").routing) == {"cli": "1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{\n  "routing": {,}\n}', "call.json:2:15: error: is not JSON: expecting property name"),
        ("", "call.json:1:1: error: is not JSON: expecting value"),
        ("[]", 'call.json: error: needs an object such as {"routing": {}}'),
        ("{}", 'call.json: error: needs the key "routing"'),
        ('{"routing":{"x":NaN}}', "call.json: error: is not JSON: NaN has no meaning in JSON"),
        ('{"routing":{"x":1e999}}', "call.json: error: is not JSON: 1e999 is past the largest number"),
        (
            '{"routing":{"x":18446744073709551616}}',
            "call.json: error: is not JSON: 18446744073709551616 is past 64 bits",
        ),
        ('{"routing":{"x":-9223372036854775809}}', "call.json: error: is not JSON: -9223372036854775809 is past 64"),
        ('{"routing":{"x":1%s}}' % ("0" * 5000), f"call.json: error: is not JSON: 1{'0' * 39} is past 64 bits"),
        ('{"routing":{"cli":1,"cli":2}}', "call.json: error: is not JSON: the key 'cli' stands twice"),
        ('{"routing":[]}', "call.json: error: Expected `object`, got `array` at `routing`"),
        ('{"routing":{},"timeout_ms":"2"}', "call.json: error: Expected `int | null`, got `str` at `timeout_ms`"),
        ('{"routing":{},"costumer":"a"}', "unknown key 'costumer'; did you mean 'customer'?"),
        ('{"routing":{},"schedule":{}}', "an assignment's vars go into a TOML file: --vars"),
        ('{"routing":7,"headers":[]}', "routing is no object"),
        ('{"routing":{"headers":[1]},"headers":[2]}', "headers and routing.headers are the same list"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_mistakes(text: str, expected: str, tmp_path: Path) -> None:
    assert expected in problem(tmp_path, text)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: error: cannot be read: No such file"):
        read_request(str(tmp_path / "none.json"), "")
    (tmp_path / "latin.json").write_bytes(b'{"routing":\n{"a":"\xe9"}}')
    with pytest.raises(InputError, match=r"latin\.json:2:1: error: is not UTF-8"):
        read_request(str(tmp_path / "latin.json"), "")
    with pytest.raises(InputError, match="is longer than"):
        read_request("/dev/zero", "")


def variables(directory: Path, text: str) -> dict[str, Any]:
    file = directory / "vars.toml"
    file.write_text(text)
    return read_variables(str(file))


def test_vars(tmp_path: Path) -> None:
    assert read_variables(None) == {}
    assert variables(tmp_path, "[schedule]\nday = 2026-01-31\n") == {"schedule": {"day": "2026-01-31"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1\nb = \n", r"vars\.toml:2:5: error: "),
        ("a = 1\n[routing]\n", r"vars\.toml:2:1: error: vars: the key 'routing' is the call's own"),
        ("a = nan\n", r"vars\.toml:1:1: error: vars: nan has no meaning in JSON"),
    ],
)
def test_mistakes_in_vars(text: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=expected):
        variables(tmp_path, text)
