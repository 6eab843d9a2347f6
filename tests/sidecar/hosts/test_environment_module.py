"""setEnvVar and getEnvVars as scripts use them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.catalog.database import apps
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.tree import CatalogSection, Configuration
from sidecar.hosts.services import Services
from tests.sidecar.catalog.database.store_desk import Desk, made
from tests.sidecar.hosts.module_runs import Scripts, line_of, scripts

SAVES = """
async function main({ currency, limits, name = 'limits' }) {
  await setEnvVar('currency', currency);
  await setEnvVar(name, JSON.stringify(limits));
  return [(await getEnvVars()).limits, process.env.currency ?? null];
}
"""
READS = "async function main() { return await getEnvVars() }"
GIVEN = {"currency": "EUR", "limits": {"day": 3}}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = await made(f"sqlite:///{tmp_path}/platform.db")
    for app in ("9", "10"):
        await desk.app("acme", app)
    await desk.variable("acme", "9", "limits", "{}", private=True, protected=True)
    yield desk
    await desk.close()


@pytest.fixture
async def runs(desk: Desk) -> AsyncIterator[Scripts]:
    services = Services(Configuration(catalog=CatalogSection(url=DatabaseUrl.parse(str(desk.storage.url)))))
    async with scripts(services) as made:
        yield made
    await services.close()


async def test_a_script_sets_the_variables_of_its_app(runs: Scripts, desk: Desk) -> None:
    assert await runs.run(SAVES, GIVEN, tenant="acme", app="9") == ['{"day":3}', None]
    assert await runs.run(READS, tenant="acme", app="9") == {"currency": "EUR", "limits": '{"day":3}'}
    assert await runs.run(READS, tenant="acme", app="10") == {}, "another app's are not there"
    async with desk.store.reading("acme") as scope:
        (_, limits) = await apps.list_variables(scope, "9")
    assert (limits.value, limits.private, limits.protected) == ("****", True, True), "flags stay as they were"


async def test_a_number_is_kept_as_its_text(runs: Scripts) -> None:
    text = "async function main() { await setEnvVar('n', 7); return (await getEnvVars()).n }"
    assert await runs.run(text, tenant="acme", app="9") == "7"


@pytest.mark.parametrize(
    ("call", "name", "message"),
    [
        ("setEnvVar('APP_ID', '1')", "Error", "APP_ID is set by the host"),
        ("setEnvVar('a-b', '1')", "Error", "expected 1 to 128 letters, digits and underscores"),
        ("setEnvVar('a', '****')", "Error", "**** is shown in place of a protected value"),
        ("setEnvVar('a', {})", "TypeError", "a variable is a text: JSON.stringify makes one of an object"),
        ("setEnvVar('a')", "TypeError", "a variable is a text"),
        ("setEnvVar('a', '\\ud800')", "TypeError", "the value is no Unicode text"),
        ("setEnvVar(1, 'a')", "TypeError", "the name of a variable is a text"),
    ],
)
async def test_what_cannot_be_is_an_error_at_the_author_s_line(
    call: str, name: str, message: str, runs: Scripts
) -> None:
    error = await runs.error(f"async function main() {{\n  await {call};\n}}", tenant="acme", app="9")
    assert error.name == name
    assert message in error.message
    assert line_of(error) == 2


async def test_an_app_changes_the_catalog_so_often_and_no_more(runs: Scripts) -> None:
    text = "async function main(app) { for (let n = 0; n < 61; n++) await setEnvVar('n', n) }"
    error = await runs.error(text, tenant="acme", app="9")
    assert error.message == "scripts of app '9' have set variables 60 times in a minute"
    assert await runs.run("async function main() { await setEnvVar('n', 1) }", tenant="acme", app="10") is None


async def test_without_an_app_or_in_files_there_is_nothing_to_set(runs: Scripts) -> None:
    assert (await runs.error(READS, tenant="acme")).message == "a script without an app has no variables"
    async with scripts(Services(Configuration())) as in_files:
        assert await in_files.run(READS, app="9", environment={"A": "1"}) == {"A": "1"}
        error = await in_files.error(SAVES, GIVEN, app="9")
        assert error.message == "the variables of this app are in a file, which scripts do not write"
