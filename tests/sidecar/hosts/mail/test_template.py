"""Templates as Handlebars fills them in, and what they may not do."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.hosts.mail.template import RENDERED_CHARACTERS, STEPS, TEMPLATE_CHARACTERS, TemplateError, parse, render
from tests.growth import LONG, grows_in_its_length

VALUES: dict[str, Any] = {
    "name": "O'Hara & <b>",
    "count": 3.0,
    "half": 0.5,
    "yes": True,
    "zero": 0,
    "none": None,
    "empty": [],
    "user": {"name": "Ann", "e-mail": "a@b", "tags": ["x", "y"]},
    "list": [{"n": 1}, {"n": 2}],
    "table": {"a": 1, "b": 2},
}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("Hello {{name}}!", "Hello O&#x27;Hara &amp; &lt;b&gt;!"),
        ("{{{name}}} {{& name}}", "O'Hara & <b> O'Hara & <b>"),
        ("{{count}} {{half}} {{yes}} {{zero}} {{none}} {{missing}}.", "3 0.5 true 0  ."),
        ("{{user.name}} {{user/name}} {{user.[e-mail]}} {{user.e-mail}}", "Ann Ann a@b a@b"),
        ("{{user.tags}} {{user.tags.1}} {{user.tags.length}} {{user}}", "x,y y 2 [object Object]"),
        ("{{#if name}}a{{else}}b{{/if}}{{#if empty}}a{{else}}b{{/if}}", "ab"),
        ("{{#if zero}}a{{/if}}{{#unless none}}b{{/unless}}{{#if user}}c{{/if}}", "bc"),
        ("{{#each list}}{{@index}}={{n}}{{#unless @last}},{{/unless}}{{/each}}", "0=1,1=2"),
        ("{{#each table}}{{@key}}{{this}} {{/each}}", "a1 b2 "),
        ("{{#each empty}}a{{else}}none{{/each}}", "none"),
        ("{{#with user}}{{name}} of {{../count}}{{/with}}", "Ann of 3"),
        ("{{#each list}}{{#each ../user.tags}}{{this}}{{../n}}{{@../index}}{{/each}}{{/each}}", None),
        ("{{#each list}}{{#each ../user.tags}}{{.}}{{../n}}{{/each}};{{/each}}", "x1y1;x2y2;"),
        ("a{{! a remark }}b{{!-- with }} in it --}}c", "abc"),
        ("a } b }} c { d", "a } b }} c { d"),
        ("{{{yes}} {{!-- }} {{! {{yes}} }} {{!-- {{ --}}!", "{true !"),
        ("{{{yes}} {{!-- }} {{!-- {{ --}}{{!-- }}!", "{true !"),
        ("{{name.length}}{{name.__class__}}{{list.append}}{{user.keys}}", ""),
        ("", ""),
    ],
)
def test_a_template_is_filled_in(text: str, rendered: str | None) -> None:
    if rendered is None:
        with pytest.raises(TemplateError, match="not the name of a value"):
            parse(text)
    else:
        assert render(parse(text), VALUES, html=True) == rendered


def test_text_is_not_escaped() -> None:
    assert render(parse("{{name}}"), VALUES, html=False) == "O'Hara & <b>"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a\n{{#if x}}b", r"line 2: \{\{#if\}\} has no end"),
        ("{{/if}}", "line 1: .* ends nothing"),
        ("{{#if a}}{{/each}}", "ends nothing"),
        ("\n\n{{#loop x}}{{/loop}}", "line 3: there is no"),
        ("{{else}}", "stands in no block"),
        ("{{#if a}}{{else}}{{else}}{{/if}}", "stands in no block"),
        ("{{name", "line 1: .* has no end"),
        ("{{lookup a b}}", "not the name of a value"),
        ("{{ }}", "not the name of a value"),
        ("{{" + "a." * 128 + "a}}", "not the name of a value"),
        ("{{!-- a\n}}{{!-- b\n}}\n{{c d}}", "line 4"),
        ("{{a()}}", "not the name of a value"),
        ("{{#if x}}" * 33 + "{{/if}}" * 33, "more than 32 blocks"),
        ("a" * 200_001, "more than 200000 characters"),
    ],
)
def test_what_is_no_template_is_told_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(TemplateError, match=reason):
        parse(text)


def test_a_template_has_an_end() -> None:
    many = {"a": list(range(1_000))}
    nothing = parse("{{#each a}}{{#each ../a}}{{#each ../../a}}{{/each}}{{/each}}{{/each}}")
    with pytest.raises(TemplateError, match=f"more than {STEPS} steps"):
        render(nothing, many, html=False)
    much = parse("{{#each a}}" + "x" * 1_001 + "{{/each}}")
    with pytest.raises(TemplateError, match=f"more than {RENDERED_CHARACTERS} characters"):
        render(much, many, html=False)


@given(st.text(alphabet="{}#/!abc .@[]^&\n-", max_size=60))
def test_every_text_is_a_template_or_is_told_why_not(text: str) -> None:
    try:
        template = parse(text)
    except TemplateError as error:
        assert str(error)  # noqa: PT017 - it is one or the other
    else:
        render(template, {"a": ["b"], "b": {"c": 1}}, html=True)


@given(st.text())
def test_values_never_become_markup_or_a_template(value: str) -> None:
    rendered = render(parse("<p>{{value}}</p>"), {"value": value}, html=True)
    inner = rendered.removeprefix("<p>").removesuffix("</p>")
    assert not set(inner) & set("<>\"'")


def test_blanks_without_end_are_read_in_their_length() -> None:
    def read(length: int) -> None:
        with pytest.raises(TemplateError, match="has no end"):
            parse("{{" + " " * length)

    assert grows_in_its_length(read)


@pytest.mark.parametrize(
    "piece",
    ["{{a}}", "{{a}}\n", "{{!-- ", "{{!-- }}", "{{! ", "{{{a", "{{{a}}", "{{!-- - --", "{{!-- --}}", "{{ ", "{"],
)
def test_a_template_of_any_number_of_tags_is_read_in_its_length(piece: str) -> None:
    def read(length: int) -> None:
        with contextlib.suppress(TemplateError):
            parse(piece * (length // len(piece)))

    assert LONG < TEMPLATE_CHARACTERS
    assert grows_in_its_length(read)
