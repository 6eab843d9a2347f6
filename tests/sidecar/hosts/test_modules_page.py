"""The examples of docs/host-modules.md do what is said of them."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.catalog.database.tenants import ensure_operator
from sidecar.catalog.database.work import Store
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.host_sections import RestSection, StorageSection
from sidecar.configuration.tree import Configuration
from sidecar.hosts.errors import HostUnavailable
from sidecar.hosts.grants import shipped_names
from sidecar.hosts.services import Services
from sidecar.kind import Kind
from sidecar.language.check import check_script
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade
from tests.sidecar.catalog.database.store_desk import OPERATOR
from tests.sidecar.hosts.module_runs import Scripts, scripts
from tests.sidecar.hosts.web_site import Site

PAGE = (Path(__file__).parents[3] / "docs" / "host-modules.md").read_text()
EXAMPLES = re.findall(r"^```js\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CALL = {"routing": {"cli": "4930", "dest_number": "491", "account_id": 7}}


def example(words: str) -> str:
    (found,) = [text for text in EXAMPLES if words in text]
    return str(found)


@pytest.fixture
async def runs(tmp_path: Path, site: Site) -> AsyncIterator[Scripts]:
    url = DatabaseUrl.parse(f"sqlite:///{tmp_path}/platform.db")
    store = Store(Storage(url, create=True))
    await upgrade(store.storage)
    await ensure_operator(store, OPERATOR)
    await store.close()
    users = tmp_path / "users.toml"
    users.write_text(example_of_users().replace("acme", "operator"))
    rest = RestSection(url=site.url(), users_file=users)
    services = Services(Configuration(storage=StorageSection(url=url), rest=rest))
    rows = await services.rows()
    await rows.inventory.make("operator", "blocked")
    await rows.create("operator", "blocked", "491", "fraud")
    async with scripts(services) as made:
        yield made
    await services.close()


def example_of_users() -> str:
    (found,) = re.findall(r"^```toml\n(\[scripts\].*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


async def error_of(runs: Scripts, text: str, data: Any = None, **more: Any) -> str:
    return (await runs.error(text, data, tenant="operator", **more)).message


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_check_finds_nothing_in_an_example(text: str) -> None:
    assert check_script(text, Kind.APP, "a.js", modules=shipped_names()) == ()


async def test_the_fifth_call_is_blocked(runs: Scripts) -> None:
    text = example("calls:")
    for _ in range(4):
        await runs.run(text, CALL, tenant="operator")
    assert await error_of(runs, text, CALL) == "603 Blocked"


async def test_a_call_goes_on_where_nothing_is_kept(runs: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    text = example("minute:")
    await runs.run(text, CALL, tenant="operator")

    async def gone(*_: object) -> None:
        raise HostUnavailable("the key-value store does not answer; ask again later")

    monkeypatch.setattr("sidecar.hosts.key_values.store.KeyValues.do", gone)
    await runs.run(text, CALL, tenant="operator")


async def test_a_number_of_the_list_is_blocked(runs: Scripts) -> None:
    assert await error_of(runs, example("604 Blocked"), CALL) == "604 Blocked: fraud"
    assert await runs.run(example("order by key"), {"why": "fraud"}, tenant="operator") == ["491"]


async def test_the_caller_id_is_asked_for(runs: Scripts, site: Site) -> None:
    site.answers(b"[]")
    environment = {"cx_api_user": "scripts"}
    assert await error_of(runs, example("customer_id"), CALL, environment=environment) == "403 No Number"


async def test_mail_and_the_web_say_what_is_missing(runs: Scripts) -> None:
    asked = {"number": "4930", "carrier": "x"}
    assert await error_of(runs, example("porting@"), asked) == "there is no template 'porting'"
    failed = await error_of(runs, example("await fetch(`https://api.example.com"), CALL)
    assert failed.startswith("fetch failed: https://api.example.com/numbers/491: ")
