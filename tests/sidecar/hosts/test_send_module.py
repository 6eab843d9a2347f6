"""cxSend as scripts use it: mail by a real SMTP server, short messages by an HTTP gateway."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from sidecar.catalog.database import mail_templates
from sidecar.catalog.database.mail_templates import MailTemplateRecord
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.host_sections import MailSection, SmsSection
from sidecar.configuration.tree import CatalogSection, Configuration
from sidecar.hosts.services import Services
from sipio.host_port import HostPort
from tests.sidecar.catalog.database.store_desk import OPERATOR, made
from tests.sidecar.hosts.mail.test_server import Inbox
from tests.sidecar.hosts.module_runs import Scripts, line_of, scripts
from tests.sidecar.hosts.web_site import Site

TEMPLATE = 'subject = "Port {{number}}"\ntext = "To {{carrier}}."\nhtml = "<b>{{carrier}}</b>"\n'
MAILS = "import { email } from 'cxSend';\nexport async function main(mail) {\n  await email(mail);\n}"
TEXTS = (
    "const { sms } = require('cxSend');\nasync function main([number, text]) {\n  return await sms(number, text);\n}"
)


@pytest.fixture
def site(site: Site) -> Site:
    site.answers(b"", 202)
    return site


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def mail(inbox: Inbox) -> AsyncIterator[MailSection]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(inbox, loop=loop), "127.0.0.1", 0)
    address = HostPort("127.0.0.1", server.sockets[0].getsockname()[1])
    yield MailSection(server=address, sender="Scripts <scripts@carrier.example>", per_minute=5)
    server.close()
    await server.wait_closed()


@pytest.fixture
async def runs(tmp_path: Path, mail: MailSection, site: Site) -> AsyncIterator[Scripts]:
    folder = tmp_path / "templates" / "t"
    folder.mkdir(parents=True)
    (folder / "porting.toml").write_text(TEMPLATE)
    (folder / "broken.toml").write_text('text = "{{#if a}}"')
    (tmp_path / "secret").write_text("Bearer abc\n")
    sms = SmsSection(url=site.url("/send"), sender="Carrier", authorization_file=tmp_path / "secret", per_minute=5)
    services = Services(Configuration(catalog=CatalogSection(directory=tmp_path), mail=mail, sms=sms))
    async with scripts(services) as made:
        yield made
    await services.close()


def content(inbox: Inbox) -> str:
    (taken,) = inbox.mails
    body: Any = taken.content
    return str(body.decode())


async def test_a_mail_is_made_from_a_template(runs: Scripts, inbox: Inbox) -> None:
    variables = {"number": "4420", "carrier": "O'Hara & <Sons>"}
    await runs.run(MAILS, {"to": "porting@carrier.example", "template": "porting", "vars": variables})
    sent = content(inbox)
    assert "Subject: Port 4420\r\n" in sent
    assert "To O'Hara & <Sons>." in sent
    assert "<b>O&#x27;Hara &amp; &lt;Sons&gt;</b>" in sent


async def test_what_a_script_says_itself_wins_over_the_template(runs: Scripts, inbox: Inbox) -> None:
    mail = {
        "to": ["a@x.example", "b@x.example"],
        "template": "porting",
        "subject": "Mine\r\nBcc: c@x.example",
        "html": "",
    }
    await runs.run(MAILS, mail)
    sent = content(inbox)
    assert "Subject: Mine Bcc: c@x.example\r\n" in sent
    assert "To ." in sent
    assert "<b>" not in sent
    assert inbox.mails[0].rcpt_tos == ["a@x.example", "b@x.example"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"to": "a@x.example", "template": "none"}, "there is no template 'none'"),
        ({"to": "a@x.example", "template": "../t/porting"}, "there is no template '../t/porting'"),
        ({"to": "a@x.example", "template": "broken"}, "template 'broken'"),
        ({"to": "a@x.example", "template": 7}, "template is the name of one"),
        ({"to": "a@x.example"}, "there is neither text nor html"),
        ({"to": "nobody", "text": "x"}, "'nobody' is not an address of mail"),
        ({"to": "a@x.example", "text": 5}, "text is a text"),
        ({"to": "a@x.example", "text": "x", "vars": []}, "vars is an object"),
        ("a@x.example", "email({to, subject, text}) or email({to, template, vars})"),
    ],
)
async def test_what_is_no_mail_is_an_error_at_the_author_s_line(
    asked: Any, message: str, runs: Scripts, inbox: Inbox
) -> None:
    error = await runs.error(MAILS, asked)
    assert message in error.message
    assert line_of(error) == 3
    assert inbox.mails == []


async def test_another_tenant_s_template_is_not_there(runs: Scripts) -> None:
    error = await runs.error(MAILS, {"to": "a@x.example", "template": "porting"}, tenant="u")
    assert error.message == "there is no template 'porting'"


async def test_a_template_is_in_the_catalog_s_database(tmp_path: Path, mail: MailSection, inbox: Inbox) -> None:
    desk = await made(f"sqlite:///{tmp_path}/platform.db")
    async with desk.store.working(OPERATOR, "acme") as work:
        await mail_templates.put_template(work, MailTemplateRecord(name="porting", subject="{{a}}", text="{{b}}"))
    await desk.close()
    url = DatabaseUrl.parse(f"sqlite:///{tmp_path}/platform.db")
    services = Services(Configuration(catalog=CatalogSection(url=url), mail=mail))
    async with scripts(services) as runs:
        asked = {"to": "a@x.example", "template": "porting", "vars": {"a": "A", "b": "B"}}
        await runs.run(MAILS, asked, tenant="acme")
        assert (await runs.error(MAILS, asked, tenant="beta")).message == "there is no template 'porting'"
    await services.close()
    assert "Subject: A\r\n" in content(inbox)


async def test_a_short_message_is_handed_to_the_gateway_and_its_parts_counted(runs: Scripts, site: Site) -> None:
    assert await runs.run(TEXTS, ["+4930123", "Zoé " * 60]) == 2
    ((method, path, headers, body),) = site.requests
    assert (method, path, headers["Authorization"]) == ("POST", "/send", "Bearer abc")
    assert body.decode() == '{"to":"+4930123","text":"' + "Zoé " * 60 + '","from":"Carrier"}'


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["no number", "x"], "'no number' is no number for a short message"),
        (["4930", ""], "the text is empty"),
        (["4930", "x" * 1_531], "the text has more than 10 parts"),
        (["4930", 7], "sms(number, text)"),
        ([None, "x"], "sms(number, text)"),
    ],
)
async def test_what_is_no_short_message_is_an_error_at_the_author_s_line(
    asked: Any, message: str, runs: Scripts, site: Site
) -> None:
    error = await runs.error(TEXTS, asked)
    assert message in error.message
    assert line_of(error) == 3
    assert site.requests == []


async def test_a_gateway_that_refuses_is_told(runs: Scripts, site: Site) -> None:
    site.answers(b"secret of the gateway", 402)
    error = await runs.error(TEXTS, ["4930", "x"])
    assert error.message == "the gateway of short messages refuses: 402 Payment Required"


async def test_a_tenant_sends_so_many_in_a_minute(runs: Scripts, site: Site) -> None:
    for _ in range(5):
        await runs.run(TEXTS, ["4930", "x"])
    assert (await runs.error(TEXTS, ["4930", "x"])).message == "more than 5 short messages in a minute"
    assert await runs.run(TEXTS, ["4930", "x"], tenant="u") == 1
    assert len(site.requests) == 6


async def test_without_a_server_or_a_gateway_a_script_is_told() -> None:
    services = Services(Configuration())
    async with scripts(services) as runs:
        error = await runs.error(MAILS, {"to": "a@x.example", "text": "x"})
        assert error.message == "there is no mail here: the operator has named no server (mail.server)"
        error = await runs.error(TEXTS, ["4930", "x"])
        assert error.message == "there are no short messages here: the operator has named no gateway (sms.url)"
    await services.close()
