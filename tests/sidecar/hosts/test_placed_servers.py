"""What the operator says of servers that calls are placed by, and what a script may call by them."""

import asyncio
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.catalog.compile import make_script
from sidecar.configuration.host_sections import OriginateSection
from sidecar.configuration.tree import Configuration
from sidecar.errors import ConfigurationError
from sidecar.hosts.errors import HostError
from sidecar.hosts.placed.calls import PlacedCalls
from sidecar.hosts.placed.placing import CallRequest
from sidecar.hosts.placed.servers import CallServer, CallServers, destination_of
from sidecar.hosts.services import Services
from sidecar.kind import Kind
from sipio.call_control import Hangup
from tests.sidecar.hosts.module_runs import line_of, scripts

SCRIPT = make_script(id="s", name="s.js", kind=Kind.APP, text="")
SERVER = CallServer(driver="sip", gateways=("a", "b.c"))


@pytest.mark.parametrize(
    ("written", "called"),
    [
        ("201", "user/201"),
        ("112", "user/112"),
        ("4930123", "trunk/a/4930123"),
        ("+4930123", "trunk/a/+4930123"),
        ("user/anna", "user/anna"),
        ("trunk/b.c/49", "trunk/b.c/49"),
    ],
)
def test_a_destination_is_a_phone_or_a_gateway_of_the_server(written: str, called: str) -> None:
    assert destination_of("it", written, SERVER) == called


@pytest.mark.parametrize(
    "written",
    [
        *("", "sip:a@b", "tel:49", "user/", "user/a/b", "trunk/a", "trunk/a/", "trunk/c/49", "trunk//49", "49,50"),
        *("49\n", "user/a b", "loopback/49", "trunk/a/49/50", "{x=1}49", "4" * 65),
    ],
)
def test_all_else_is_refused(written: str) -> None:
    with pytest.raises(HostError) as caught:
        destination_of("it", written, SERVER)
    assert caught.value.name == "TypeError"


@given(st.text(alphabet=string.printable, max_size=80))
def test_whatever_is_written_leads_to_no_other_gateway(written: str) -> None:
    try:
        called = destination_of("it", written, SERVER)
    except HostError:
        return
    assert called.startswith(("user/", "trunk/a/", "trunk/b.c/"))
    assert called.isprintable()


def test_without_gateways_there_are_only_phones_and_without_phones_only_gateways() -> None:
    with pytest.raises(HostError, match="calls leave by no gateway"):
        destination_of("it", "4930123", CallServer(driver="sip"))
    assert destination_of("it", "201", CallServer(driver="sip", gateways=("a",), extensions="")) == "trunk/a/201"
    with pytest.raises(HostError):
        destination_of("it", "user/201", CallServer(driver="sip", gateways=("a",), extensions=""))


def test_a_server_and_a_company_are_the_tenants_own(tmp_path: Path) -> None:
    file = tmp_path / "servers.toml"
    file.write_text(
        '[server.main]\ndriver = "sip"\ntenants = ["acme"]\n'
        '[server.all]\ndriver = "socket"\n[companies]\nacme = ["12"]\n'
    )
    servers = CallServers(file)
    assert (servers.names("acme"), servers.names("other")) == (["main", "all"], ["all"])
    with pytest.raises(HostError, match="there is no server 'main'"):
        servers.of("other", "main")
    for company in ("", "acme", "12"):
        servers.check_company("acme", company)
    for tenant, company in (("acme", "13"), ("other", "12"), ("other", "acme")):
        with pytest.raises(HostError, match="is not yours"):
            servers.check_company(tenant, company)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[server.a]\ndriver = "h323"', "driver"),
        ('[server.a]\ndriver = "sip"\ngateway = "x"', "gateway"),
        ('[server.a]\ndriver = "sip"\nextensions = "["', "extensions"),
        ('[server.a]\ndriver = "sip"\ngateways = ["x/y"]', "is no name"),
        ("[server", "servers_file"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "servers.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        PlacedCalls(OriginateSection(servers_file=file))


async def test_where_no_calls_are_carried_it_is_an_error_at_the_authors_line() -> None:
    services = Services(Configuration())
    asking = {
        "cxOriginate": "originate(1, 'main', '201', '1', '49')",
        "cxCallControl": "C5()",
    }
    async with scripts(services) as runs:
        for name, text in asking.items():
            error = await runs.error(f"const it = require('{name}');\nasync function main() {{\n  await it.{text};\n}}")
            assert error.message == "no calls are placed here: only the daemon that carries calls does"
            assert line_of(error) == 3
        late = "const { AI, C5 } = require('cxCallControl');\nasync function main() {\n  await AI();\n}"
        assert (await runs.error(late)).message == "AI is not available here: C5 places calls"
    await services.close()


async def test_what_calls_by_a_driver_that_is_not_there_says_so(tmp_path: Path) -> None:
    file = tmp_path / "servers.toml"
    file.write_text('[server.main]\ndriver = "freeswitch"\n')
    placed = PlacedCalls(OriginateSection(servers_file=file))
    with pytest.raises(HostError, match="this process has no calls of freeswitch"):
        await placed.place("acme", CallRequest.of(SCRIPT, "", "main", "201", "", "202"))
    placed.refuse_new()
    await asyncio.sleep(0)
    assert placed.up == 0


class UpCall:
    """A call that is up, which counts whom it is connected to."""

    id = "call-1"

    def __init__(self) -> None:
        self.called: list[str] = []

    def described(self) -> dict[str, Any]:
        return {}

    def hang_up(self, hangup: Hangup) -> None:
        raise AssertionError(hangup)

    def transfer(self, destination: Callable[[str], str]) -> None:
        self.called.append(destination("main"))


async def test_a_transfer_counts_as_a_call_that_is_placed(tmp_path: Path) -> None:
    file = tmp_path / "servers.toml"
    file.write_text('[server.main]\ndriver = "sip"\ngateways = ["a"]\n')
    placed = PlacedCalls(OriginateSection(servers_file=file, per_minute=3))
    call = UpCall()
    placed.know_driven(lambda _tenant: [call])
    for number in range(3):
        await placed.transfer("acme", "call-1", f"49900{number}")
    with pytest.raises(HostError, match="more than 3 calls placed in a minute"):
        await placed.transfer("acme", "call-1", "499003")
    assert call.called == ["trunk/a/499000", "trunk/a/499001", "trunk/a/499002"]
