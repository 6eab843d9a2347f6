"""Numbers and names in every form in which switches write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.number import Number, did_of, is_did, number_of, read_number


@pytest.mark.parametrize(
    "user",
    [
        "+442079460000",
        "+442079460000;npdi;rn=+44111",
        "+442079460000;isub=1",
        "+442079460000;tgrp=g1;trunk-context=example.com",
        "+442079460000;phone-context=+44",
        "+44-20-7946-0000",
        "+44.20.7946(0000);npdi",
        "+44 20 7946 0000",
        "%2B442079460000",
        "%2b44%2020%207946%200000",
        "+44%2D20-79460000%3bnpdi%3Brn=+44111",
        "tel:+442079460000",
        "TEL:+44-20-7946-0000;npdi",
    ],
)
def test_a_global_number_is_one_number_however_it_is_written(user: str) -> None:
    assert read_number(user).text == "+442079460000"


def test_the_parameters_are_kept_beside_the_number() -> None:
    number = read_number("+442079460000;npdi;RN=+44%31;cic=%2B1;;rn=2")
    assert number.parameters == {"npdi": "", "rn": "+441", "cic": "+1"}
    assert number.written == ";npdi;RN=+44%31;cic=%2B1;;rn=2"
    assert read_number("+442079460000") == Number("+442079460000")


@pytest.mark.parametrize(
    ("user", "text", "as_telephone"),
    [
        ("020-7946.0000", "020-7946.0000", "02079460000"),
        ("(020)7946", "(020)7946", "0207946"),
        ("100;tgrp=a", "100", "100"),
        ("*21*100#;x", "*21*100#", "*21*100#"),
        ("100-2", "100-2", "1002"),
        ("1A;phone-context=x", "1A;phone-context=x", "1A"),
    ],
)
def test_a_local_number_may_be_a_name_unless_it_is_said_to_be_none(user: str, text: str, as_telephone: str) -> None:
    assert read_number(user).text == text
    assert read_number(user, telephone=True).text == as_telephone


@pytest.mark.parametrize(
    ("user", "text"),
    [
        ("alice;day=tuesday", "alice;day=tuesday"),
        ("alice%20b", "alice b"),
        ("j.doe-smith", "j.doe-smith"),
        ("", ""),
        ("+", "+"),
        (";npdi", ";npdi"),
        ("+;npdi", "+;npdi"),
        ("-", "-"),
        ("%", "%"),
        ("%ff", "\ufffd"),
        ("sip:100@x", "sip:100@x"),
    ],
)
def test_what_is_no_telephone_number_is_a_name(user: str, text: str) -> None:
    assert read_number(user) == read_number(user, telephone=True) == Number(text)


@given(st.text(max_size=40) | st.from_regex(r"\+?[0-9*#\-.() %;=a-f]{0,30}", fullmatch=True), st.booleans())
def test_any_text_is_read_and_its_number_is_its_own_number(text: str, telephone: bool) -> None:
    number = read_number(text, telephone=telephone)
    if number.written:
        assert text.endswith(number.written)
        assert ";" not in number.text
        assert "%" not in number.text
        assert read_number(number.text, telephone=telephone) == Number(number.text)


@given(
    st.from_regex(r"\+[1-9][0-9]{3,14}", fullmatch=True),
    st.data(),
    st.lists(st.from_regex(r"[a-z]{1,6}(=[a-z0-9+.\-]{0,8})?", fullmatch=True), max_size=4),
)
def test_separators_escapes_and_parameters_change_no_number(number: str, data: st.DataObject, names: list[str]) -> None:
    written = ""
    for character in number:
        form = data.draw(st.sampled_from(["{}", "{}-", "{}.", "({})", "%{:02x}", "%{:02X}"]))
        written += form.format(ord(character) if "%" in form else character)
    if written.startswith("("):
        written = written.replace("(+)", "+", 1)
    written += "".join(f";{name}" for name in names)
    assert read_number(written).text == number


@pytest.mark.parametrize(
    ("text", "number", "parameters"),
    [
        ("+442079460000", "+442079460000", {}),
        ("sip:+44-20;npdi;rn=+44111@h:5060;user=phone", "+4420", {"npdi": "", "rn": "+44111"}),
        ("SIPS:%2B4420@[::1]", "+4420", {}),
        ('"Bob: \\"x\\"" <sip:+4420@h>;tag=1', "+4420", {}),
        ("<tel:+44-20;isub=1>", "+4420", {"isub": "1"}),
        ("tel:+44-20;isub=1", "+4420", {"isub": "1"}),
        ("sip:alice@example.com", "alice", {}),
        ("anonymous", "anonymous", {}),
        # Names like others: nothing is guessed.
        ("sip:example.com", "sip:example.com", {}),
        ("sip:", "sip:", {}),
        ("sip:a b@h", "sip:a b@h", {}),
        ("12:34", "12:34", {}),
        ("mailto:alice@example.com", "mailto:alice@example.com", {}),
        (":" * 300, ":" * 300, {}),
    ],
)
def test_a_number_is_read_from_whatever_it_is_written_in(text: str, number: str, parameters: dict[str, str]) -> None:
    read = number_of(text)
    assert (read.text, read.parameters) == (number, parameters)


@pytest.mark.parametrize(
    "written",
    ["+49 30 1", "49301", "+49301", "49-30-1", "49 30 1", "tel:+49-30-1", "<sip:+49301;npdi@h;user=phone>", "+49(30)1"],
)
def test_a_number_that_customers_are_called_by_is_one_however_it_is_written(written: str) -> None:
    assert did_of(written) == "49301"
    assert is_did(written)


@pytest.mark.parametrize("name", ["abc", "", "+", "100-a", "face", " ", "sip:bob@h", "\u0663", "a b"])
def test_a_name_is_no_such_number(name: str) -> None:
    assert not is_did(name)
