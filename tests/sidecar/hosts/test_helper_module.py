"""cxHelper as scripts use it."""

import hashlib
import hmac
from collections.abc import AsyncIterator

import pytest

from sidecar.configuration.tree import Configuration
from sidecar.hosts.services import Services
from tests.sidecar.hosts.module_runs import Scripts, line_of, scripts

KEY = (
    "const cxHelper = require('cxHelper');\n"
    "function main([company, server]) {\n"
    "  return cxHelper.generatePbxSecurityKey(company, server);\n"
    "}"
)


@pytest.fixture
async def runs() -> AsyncIterator[Scripts]:
    services = Services(Configuration())
    async with scripts(services) as made:
        yield made
    await services.close()


@pytest.mark.parametrize("secret", ["s3cret", "ключ", "k" * 64, "k" * 65])
async def test_the_key_is_an_hmac_by_the_apps_own_secret_and_is_given_at_once(runs: Scripts, secret: str) -> None:
    key = await runs.run(KEY, [1207, "main"], environment={"PBX_SECURITY_KEY": secret})
    assert key == hmac.new(secret.encode(), b"1207:main", hashlib.sha256).hexdigest()


async def test_it_is_imported_as_well(runs: Scripts) -> None:
    text = "import { generatePbxSecurityKey as key } from 'cxHelper';\nexport const main = () => key('7', 'b');"
    made = await runs.run(text, environment={"PBX_SECURITY_KEY": "x"})
    assert made == hmac.new(b"x", b"7:b", hashlib.sha256).hexdigest()


async def test_without_the_variable_it_is_an_error_at_the_authors_line(runs: Scripts) -> None:
    error = await runs.error(KEY, [1207, "main"])
    assert error.message == "generatePbxSecurityKey needs the app's variable PBX_SECURITY_KEY"
    assert line_of(error) == 3


@pytest.mark.parametrize("given", [[None, "main"], [{}, "main"], [1207, ""], [1207, None], ["12:07", "main"]])
async def test_what_is_no_company_or_server_is_a_type_error(runs: Scripts, given: list[object]) -> None:
    error = await runs.error(KEY, given, environment={"PBX_SECURITY_KEY": "x"})
    assert error.name == "TypeError"
    assert line_of(error) == 3
