"""Mail of scripts: one mail, for whom it names, whatever its texts are."""

from email.headerregistry import Address
from email.parser import BytesParser
from email.policy import SMTP
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.hosts.mail.message import MailRefused, compose, recipients
from tests.growth import grows_in_its_length

SENDER = Address("Scripts", addr_spec="scripts@carrier.example")
TO = recipients("ops@carrier.example")


@pytest.mark.parametrize(
    ("to", "found"),
    [
        ("a@b.example", ["a@b.example"]),
        (" a@b.example , Bea <b@b.example>;c@d.example ", ["a@b.example", "b@b.example", "c@d.example"]),
        (["a@b.example", "b@b.example"], ["a@b.example", "b@b.example"]),
        ("x@bücher.example", ["x@bücher.example"]),
    ],
)
def test_addresses_are_found(to: Any, found: list[str]) -> None:
    assert [address.addr_spec for address in recipients(to)] == found


@pytest.mark.parametrize(
    "to",
    [
        "", [], None, 5, ["a@b.example", 5], "nobody", "@b.example", "a@", "a@b.example\r\nBcc: c@d.example",
        "<a@b.example", "a b@c.example", ["a@b.example"] * 51, "a@" + "b" * 70 + ".example", "\ud800@b.example",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(to: Any) -> None:
    with pytest.raises(MailRefused):
        recipients(to)


def test_text_and_html_are_alternatives() -> None:
    mail = BytesParser(policy=SMTP).parsebytes(compose(SENDER, TO, "A ü", "text", "<p>html</p>").as_bytes())
    assert mail["From"] == "Scripts <scripts@carrier.example>"
    assert mail["To"] == "ops@carrier.example"
    assert mail["Subject"] == "A ü"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    alone = compose(SENDER, TO, "", "", "<p>html</p>")
    assert alone.get_content_type() == "text/html"


@pytest.mark.parametrize(
    ("subject", "text", "reason"),
    [("a", "", "neither"), ("a" * 501, "b", "500"), ("a", "b" * 1_000_001, "1000000")],
)
def test_what_is_no_mail_is_refused(subject: str, text: str, reason: str) -> None:
    with pytest.raises(MailRefused, match=reason):
        compose(SENDER, TO, subject, text, "")


@given(st.text(st.characters(), max_size=80), st.text(st.characters(), min_size=1, max_size=200))
def test_no_text_makes_another_header_or_another_mail(subject: str, text: str) -> None:
    mail = BytesParser(policy=SMTP).parsebytes(compose(SENDER, TO, subject, text, "").as_bytes())
    assert sorted(name.lower() for name in mail) == sorted(
        ["from", "to", "subject", "date", "message-id", "auto-submitted", "content-type", "content-transfer-encoding",
         "mime-version"]
    )  # fmt: skip
    assert not mail.is_multipart()


@pytest.mark.parametrize(("begun", "ended"), [("a@b,", ""), ('"a', "@b"), ("(", "a@b"), ("a.", "@b")])
def test_what_would_take_long_to_read_is_refused_in_its_length(begun: str, ended: str) -> None:
    def read(length: int) -> None:
        with pytest.raises(MailRefused):
            recipients(begun * (length // len(begun)) + ended)

    assert grows_in_its_length(read)


@pytest.mark.parametrize(
    ("text", "coding"),
    [
        ("a\n" * 2_000, "7bit"),
        ("a\n" * 2_001, "base64"),
        ("a" * 998 + "\n", "7bit"),
        ("a" * 999, "base64"),
        ("\u00fc\n" * 500_000, "base64"),
    ],
)
def test_a_body_goes_as_every_server_takes_it(text: str, coding: str) -> None:
    mail = BytesParser(policy=SMTP).parsebytes(compose(SENDER, TO, "", text, "").as_bytes())
    assert mail["Content-Transfer-Encoding"] == coding
    assert mail.get_content().rstrip("\r\n").replace("\r\n", "\n") == text.rstrip("\n")
