"""cxRest as scripts use it."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.configuration.host_sections import RestSection
from sidecar.configuration.tree import Configuration
from sidecar.hosts.services import Services
from tests.sidecar.hosts.module_runs import Scripts, line_of, scripts
from tests.sidecar.hosts.web_site import Site

CALLER_ID = """
const api = require('cxRest')(process.env.cx_api_user);
async function main(data) {
  const mine = await api.get('did', { customer_id: data.routing.account_id });
  if (!mine.length) throw new Error('403 No Number');
  data.routing.cli = mine[data.routing.dest_number.length % mine.length].did;
  return data.routing;
}
"""
CALL = {"routing": {"account_id": 1207, "dest_number": "493012345678"}}
ENVIRONMENT = {"cx_api_user": "scripts"}


@pytest.fixture
async def runs(tmp_path: Path, site: Site) -> AsyncIterator[Scripts]:
    (tmp_path / "users.toml").write_text('[scripts]\npassword = "pass:word"\ntenants = ["t"]\n')
    services = Services(Configuration(rest=RestSection(url=site.url("/api/"), users_file=tmp_path / "users.toml")))
    async with scripts(services) as made:
        yield made
    await services.close()


async def test_the_caller_id_is_one_of_the_customers_own_numbers(runs: Scripts, site: Site) -> None:
    site.answers(b'[{"did": "4420100"}, {"did": "4420101"}]')
    routing = await runs.run(CALLER_ID, CALL, environment=ENVIRONMENT)
    assert routing["cli"] == "4420100"
    ((method, path, headers, _),) = site.requests
    assert (method, path) == ("GET", "/api/did?customer_id=1207")
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"scripts:pass:word").decode()
    site.answers(b"[]")
    assert (await runs.error(CALLER_ID, CALL, environment=ENVIRONMENT)).message == "403 No Number"
    site.answers(b'{"error": "down"}', 500)
    error = await runs.error(CALLER_ID, CALL, environment=ENVIRONMENT)
    assert (error.message, line_of(error)) == ("GET did: 500 down", 4)


async def test_all_its_functions(runs: Scripts, site: Site) -> None:
    site.answers(b'{"status": "OK"}')
    text = """
    import cxRest, { auth } from 'cxRest';
    export async function main() {
      const clients = [cxRest('scripts'), auth('scripts'), new auth('scripts'), cxRest.auth('scripts')];
      for (const client of clients) await client.get('/customer/12');
      const [one] = clients;
      await one.get('did?customer_id=5', { limit: 2 });
      await one.post('customer', { name: 'a' });
      await one.put('customer/12', { name: 'b' });
      await one.delete('customer/12');
      await one.create('did', { did: '1' });
      await one.read('did', 7);
      await one.update('did', 7, { did: '2' });
      await one.update('did', { did: '3' });
      return (await one.delete('did', 7)).status;
    }
    """
    assert await runs.run(text) == "OK"
    assert [(method, path, body) for method, path, _, body in site.requests] == [
        *[("GET", "/api/customer/12", b"")] * 4,
        ("GET", "/api/did?customer_id=5&limit=2", b""),
        ("POST", "/api/customer", b'{"name":"a"}'),
        ("PUT", "/api/customer/12", b'{"name":"b"}'),
        ("DELETE", "/api/customer/12", b""),
        ("POST", "/api/did", b'{"did":"1"}'),
        ("GET", "/api/did/7", b""),
        ("PUT", "/api/did/7", b'{"did":"2"}'),
        ("PUT", "/api/did", b'{"did":"3"}'),
        ("DELETE", "/api/did/7", b""),
    ]


async def test_a_text_is_given_as_it_is_and_an_error_has_what_came(runs: Scripts, site: Site) -> None:
    site.answers(b"plain")
    reads = "const api = require('cxRest').auth('scripts');\nconst main = (path) => api.get(path);"
    assert await runs.run(reads, "x") == "plain"
    site.answers(b'{"why": 1}', 404)
    text = """
    const api = require('cxRest').auth('scripts');
    async function main() {
      try { await api.get('x') } catch (error) { return [error instanceof Error, error.status, error.body.why] }
    }
    """
    assert await runs.run(text) == [True, 404, 1]


@pytest.mark.parametrize(
    "path",
    [
        "../admin",
        "a/../b",
        "a/%2e%2e/b",
        "a/..%2F..%2fb",
        "a/..%5cb",
        "http://other/",
        "//other/x",
        "",
        "a b",
        "a#b",
        "a\\b",
        "a?b c",
        ".",
    ],
)
async def test_what_is_no_path_is_refused(path: str, runs: Scripts, site: Site) -> None:
    reads = "const api = require('cxRest').auth('scripts');\nconst main = (path) => api.get(path);"
    error = await runs.error(reads, path)
    assert "is no path of the REST API" in error.message
    assert site.requests == []


async def test_a_user_that_is_not_the_tenant_s_is_none(runs: Scripts, site: Site) -> None:
    for user, tenant in (("scripts", "u"), ("nobody", "t")):
        text = f"const api = require('cxRest')('{user}');\nconst main = () => api.get('did');"
        error = await runs.error(text, tenant=tenant)
        assert error.message == f"GET did: 403 there is no API user '{user}'"
    assert site.requests == []


async def test_without_an_api_a_script_is_told() -> None:
    services = Services(Configuration())
    async with scripts(services) as runs:
        error = await runs.error("const main = () => require('cxRest')('a').get('did');")
    assert error.message == "there is no REST API here: the operator has named none (rest.url)"
