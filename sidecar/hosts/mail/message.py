"""One mail of a script: whom it is for, and that it is one mail whatever its texts are."""

import contextlib
import re
from collections.abc import Sequence
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from typing import Any, Final

RECIPIENTS: Final = 50
ADDRESS_CHARACTERS: Final = 512
"""With the name before it. What it is read by takes longer with the square of its length."""
SUBJECT_CHARACTERS: Final = 500
BODY_CHARACTERS: Final = 1_000_000
PLAIN_LINES: Final = 2_000
"""Lines that go as they are; each is looked at several times on its way."""
PLAIN_CHARACTERS: Final = 998
"""Of a line that goes as it is (RFC 5322, 2.1.1)."""
_ADDRESS: Final = re.compile(r"(?:(?P<name>[^<>\r\n]*)<(?P<in>[^<>\s]+)>|(?P<alone>[^<>\s,;]+))")


class MailRefused(Exception):
    """What is no mail that can be sent, in words for the author of the script."""


def recipients(to: Any) -> tuple[Address, ...]:
    """The addresses of a text, ``a@x, Bea <b@x>``, or of a list of such texts. Raises MailRefused."""
    texts = to if isinstance(to, list) else [to]
    if not all(isinstance(text, str) for text in texts):
        raise MailRefused("to is an address, or a list of addresses")
    named = [one.strip() for text in texts for one in re.split(r"[,;]", text) if one.strip()]
    if not named:
        raise MailRefused("to names nobody")
    # Before they are read, which takes its time.
    if len(named) > RECIPIENTS:
        raise MailRefused(f"to names more than {RECIPIENTS} addresses")
    return tuple(map(_address, named))


def sender_address(text: str) -> Address:
    """The one address that mail is from. Raises MailRefused."""
    if not text or len(found := recipients(text)) > 1:
        raise MailRefused(f"expected one address, such as scripts@carrier.example, got {text!r}")
    return found[0]


def _address(text: str) -> Address:
    match = _ADDRESS.fullmatch(text) if len(text) <= ADDRESS_CHARACTERS else None
    address = None
    if match is not None:
        with contextlib.suppress(ValueError, HeaderParseError, IndexError):  # what is none is told below
            made = Address((match["name"] or "").strip(" \"'"), addr_spec=match["in"] or match["alone"])
            made.domain.encode("idna")
            address = made
    if address is None or not address.username or not address.domain or not str(address).isprintable():
        raise MailRefused(f"{text[:100]!r} is not an address of mail")
    return address


def compose(sender: Address, to: Sequence[Address], subject: str, text: str, html: str) -> EmailMessage:
    """A mail, with a text, an HTML body, or both. Raises MailRefused."""
    if not text and not html:
        raise MailRefused("there is neither text nor html")
    if len(text) + len(html) > BODY_CHARACTERS:
        raise MailRefused(f"text and html have more than {BODY_CHARACTERS} characters")
    if len(subject) > SUBJECT_CHARACTERS:
        raise MailRefused(f"the subject has more than {SUBJECT_CHARACTERS} characters")
    mail = EmailMessage(SMTP)
    mail["From"] = sender
    mail["To"] = to
    # A line break would begin another header; in a subject it is a blank.
    mail["Subject"] = _printable(subject)
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = make_msgid(domain=sender.domain)
    # Out-of-office answers to a script are read by nobody (RFC 3834).
    mail["Auto-Submitted"] = "auto-generated"
    if text or not html:
        mail.set_content(_sound(text), cte=_coding(text))
    if html:
        if text:
            mail.add_alternative(_sound(html), subtype="html", cte=_coding(html))
        else:
            mail.set_content(_sound(html), subtype="html", cte=_coding(html))
    return mail


def _coding(text: str) -> str:
    """How a body goes over the wire, so that every server takes it as it is. Other codings than these take a second of
    a large text."""
    lines = text.splitlines()
    plain = text.isascii() and len(lines) <= PLAIN_LINES and max(map(len, lines), default=0) <= PLAIN_CHARACTERS
    return "7bit" if plain else "base64"


def _printable(text: str) -> str:
    return " ".join(_sound("".join(one if one.isprintable() else " " for one in text)).split())


def _sound(text: str) -> str:
    """Text without the halves of surrogate pairs, which no charset can say."""
    return text.encode("utf-8", "replace").decode()
