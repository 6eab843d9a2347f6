"""api.lookup and api.send as scripts of the older dialect use them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP

from sidecar.catalog.database.tenants import ensure_operator
from sidecar.catalog.database.work import Store
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.host_sections import LookupSection, MailSection, SmsSection, StorageSection
from sidecar.configuration.tree import Configuration
from sidecar.errors import ConfigurationError
from sidecar.hosts.lookups import Lookups
from sidecar.hosts.services import Services
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade
from sipio.host_port import HostPort
from tests.sidecar.catalog.database.store_desk import OPERATOR
from tests.sidecar.hosts.mail.test_server import Inbox
from tests.sidecar.hosts.module_runs import Scripts, line_of, scripts
from tests.sidecar.hosts.web_site import Site

LOOKUP = "async function main([name, ...values]) {\n  return await api.lookup[name](...values);\n}"


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def runs(tmp_path: Path, site: Site, inbox: Inbox) -> AsyncIterator[Scripts]:
    url = DatabaseUrl.parse(f"sqlite:///{tmp_path}/platform.db")
    store = Store(Storage(url, create=True))
    await upgrade(store.storage)
    await ensure_operator(store, OPERATOR)
    await store.close()
    services_file = tmp_path / "lookups.toml"
    services_file.write_text(f'[hlr]\nurl = "{site.url("/hlr")}?n={{number}}"\nauthorization = "Bearer secret"\n')
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(inbox), "127.0.0.1", 0)
    mail = HostPort("127.0.0.1", server.sockets[0].getsockname()[1])
    services = Services(
        Configuration(
            storage=StorageSection(url=url),
            lookup=LookupSection(services_file=services_file, per_minute=3),
            mail=MailSection(server=mail, sender="scripts@carrier.example"),
            sms=SmsSection(url=site.url("/send")),
        )
    )
    rows = await services.rows()
    await rows.inventory.make("operator", "blocked")
    await rows.create("operator", "blocked", "491", "fraud")
    async with scripts(services) as made:
        yield made
    await services.close()
    server.close()
    await server.wait_closed()


async def test_a_number_is_looked_up_at_the_operators_service(runs: Scripts, site: Site) -> None:
    site.answers(b'{"status": "Invalid"}')
    assert await runs.run(LOOKUP, ["hlr", "+4930"]) == {"status": "Invalid"}
    ((_, path, headers, _),) = site.requests
    assert path == "/hlr?n=%2B4930"
    assert headers["Authorization"] == "Bearer secret"


async def test_an_answer_that_is_no_json_is_its_text(runs: Scripts, site: Site) -> None:
    site.answers(b"ported")
    assert await runs.run(LOOKUP, ["hlr", 4930]) == "ported"


async def test_what_the_service_refuses_is_an_error_at_the_authors_line(runs: Scripts, site: Site) -> None:
    site.answers(b"no", 402)
    error = await runs.error(LOOKUP, ["hlr", "4930"])
    assert error.message.startswith("hlr: the service answers 402")
    assert line_of(error) == 2


async def test_a_lookup_that_the_operator_has_not_named_says_so(runs: Scripts) -> None:
    error = await runs.error(LOOKUP, ["lrn", "4930"])
    assert error.message == "there is no lookup lrn here: the operator has named none (lookup.services_file)"


@pytest.mark.parametrize("number", ["", None, {}])
async def test_what_is_no_number_is_a_type_error(runs: Scripts, number: object) -> None:
    assert (await runs.error(LOOKUP, ["hlr", number])).name == "TypeError"


async def test_a_number_of_other_characters_reaches_no_service(runs: Scripts, site: Site) -> None:
    assert (await runs.error(LOOKUP, ["hlr", "49/../30"])).name == "TypeError"
    assert site.requests == []


async def test_lookups_are_bounded_a_minute(runs: Scripts, site: Site) -> None:
    for _ in range(3):
        site.answers(b"1")
        await runs.run(LOOKUP, ["hlr", "4930"])
    assert (await runs.error(LOOKUP, ["hlr", "4930"])).message == "more than 3 lookups in a minute"
    site.answers(b"1")
    assert await runs.run(LOOKUP, ["hlr", "4930"], tenant="other") == 1


async def test_a_row_is_found_and_an_absent_key_rejects(runs: Scripts) -> None:
    row = await runs.run(LOOKUP, ["userspaceLookup", "blocked", "491"], tenant="operator")
    assert row["value"] == "fraud"
    error = await runs.error(LOOKUP, ["userspaceLookup", "blocked", "492"], tenant="operator")
    assert error.message == "there is no 492 in blocked"
    assert line_of(error) == 2


async def test_mail_and_short_messages_go_the_way_of_the_newer_names(runs: Scripts, site: Site, inbox: Inbox) -> None:
    site.answers(b"", 202)
    site.answers(b"", 202)
    text = (
        "const { send } = require('api');\n"
        "async function main() {\n"
        "  await send.email({ to: 'a@b.example', subject: 'S', text: 'T' });\n"
        "  return [await api.send.sms('4930', 'hello'), await api.send.sms({ to: 4930, text: 'hello' })];\n"
        "}"
    )
    assert await runs.run(text) == [1, 1]
    assert len(inbox.mails) == 1


@pytest.mark.parametrize("name", ["notify", "sip"])
async def test_what_there_is_not_is_refused_by_name(runs: Scripts, name: str) -> None:
    error = await runs.error(f"async function main() {{\n  await api.send.{name}({{}});\n}}")
    assert error.message.startswith(f"api.send.{name} is not available here: ")
    assert line_of(error) == 2


async def test_an_author_may_call_something_else_api(runs: Scripts) -> None:
    text = "const api = { lookup: { hlr: () => 7 } };\nasync function main() {\n  return api.lookup.hlr('1');\n}"
    assert await runs.run(text) == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[hlr]\nurl = "ftp://a/{number}"', "expected http"),
        ('[hlr]\nurl = "https://a/"', "no {number}"),
        ('[hlr]\nurl = "https://{number}.a/{number}"', "expected http"),
        ('[where]\nurl = "https://a/{number}"', "there is no lookup where"),
        ("[hlr]", "url"),
    ],
)
def test_a_file_of_services_that_cannot_be_used_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "lookups.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=said.replace("{", r"\{")):
        Lookups(LookupSection(services_file=file))
