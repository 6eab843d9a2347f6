"""Mail handed in to a real SMTP server: taken, refused, silent, gone."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from msgspec import structs

from sidecar.hosts.mail.message import MailRefused, compose, recipients
from sidecar.hosts.mail.server import MailServer, MailServerSettings
from tests.sidecar.hosts.mail.test_message import SENDER

MAIL = compose(SENDER, recipients("a@x.example, b@x.example"), "Subject", ".\r\n.text", "")


class Inbox:
    """What an SMTP server has taken; it refuses recipients and mails whose text says so."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.refused: set[str] = set()

    async def handle_RCPT(  # noqa: N802 - named by aiosmtpd
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        self.mails.append(envelope)
        return "250 taken"


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def settings(inbox: Inbox) -> AsyncIterator[MailServerSettings]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(inbox, loop=loop), "127.0.0.1", 0)
    yield MailServerSettings(host="127.0.0.1", port=server.sockets[0].getsockname()[1], timeout_seconds=5.0)
    server.close()
    await server.wait_closed()


async def test_a_mail_is_handed_in(settings: MailServerSettings, inbox: Inbox) -> None:
    await MailServer(settings).send(MAIL)
    (taken,) = inbox.mails
    assert (taken.mail_from, taken.rcpt_tos) == ("scripts@carrier.example", ["a@x.example", "b@x.example"])
    content: Any = taken.content
    assert content.endswith(b"\r\n\r\n.\r\n.text\r\n")


async def test_an_address_that_is_no_ascii_is_handed_in_where_the_server_takes_it(
    settings: MailServerSettings, inbox: Inbox
) -> None:
    mail = compose(SENDER, recipients("x@b\u00fccher.example"), "Subject", "text", "")
    with pytest.raises(MailRefused, match="cannot be reached"):
        await MailServer(settings).send(mail)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(inbox, loop=loop, enable_SMTPUTF8=True), "127.0.0.1", 0)
    await MailServer(structs.replace(settings, port=server.sockets[0].getsockname()[1])).send(mail)
    server.close()
    assert [mail.rcpt_tos for mail in inbox.mails] == [["x@b\u00fccher.example"]]


async def test_who_is_refused_is_told(settings: MailServerSettings, inbox: Inbox) -> None:
    inbox.refused = {"a@x.example"}
    with pytest.raises(MailRefused, match=r"not for a@x\.example"):
        await MailServer(settings).send(MAIL)
    inbox.refused = {"a@x.example", "b@x.example"}
    with pytest.raises(MailRefused, match=r"refuses: .*no such user"):
        await MailServer(settings).send(MAIL)


async def test_a_server_that_is_not_there_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings = MailServerSettings(host="127.0.0.1", port=closed.getsockname()[1])
        with caplog.at_level(logging.WARNING), pytest.raises(MailRefused, match=r"^the mail server cannot be reached$"):
            await MailServer(settings).send(MAIL)
    assert [record.message for record in caplog.records if record.name.startswith("sidecar")] == ["mail_not_sent"]


async def test_a_server_that_says_nothing_costs_no_more_than_its_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        settings = MailServerSettings(host="127.0.0.1", port=silent.getsockname()[1], timeout_seconds=0.1)
        with pytest.raises(MailRefused, match="cannot be reached"):
            await MailServer(settings).send(MAIL)
