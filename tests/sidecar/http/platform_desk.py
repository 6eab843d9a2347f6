"""A real platform process on a database of its own, and short words for what is asked of it."""

import asyncio
import http.client
import json
import signal
import sqlite3
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from sidecar.catalog.database.tenants import ensure_operator
from sidecar.catalog.database.tokens import SCOPES, make_token
from sidecar.catalog.database.work import Actor, Store
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade
from tests.acceptance.processes import Program

ROOT = Path(__file__).parents[3]
OPERATOR = Actor("root", "command line", operator=True)
SECONDS = 60.0
ECHO = "export function main(data) { return data }\n"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Of a client that asks without: to read the system's certificates takes each of them some 50 ms."""


class PlatformDesk:
    """A platform under test. Ready once constructed, with the tenants operator, acme and beta."""

    def __init__(self, folder: Path, address: str | None = None, more: str = "", **settings: Any) -> None:
        """``settings`` are keys of the section ``platform``, and ``more`` is other sections."""
        self.folder = folder
        self.database = folder / "platform.db"
        self.address = address or f"sqlite:///{self.database}"
        self.operator_token = asyncio.run(_prepare(self.address))
        limits = {"requests_a_second": 100_000, "public_runs_a_second": 100_000}
        section = {"listen": "127.0.0.1:0", "metrics": "", "logs": str(folder / "logs"), **limits, **settings}
        self.configuration = folder / "sidecar.toml"
        self.call_records = folder / "calls"
        self.call_records.mkdir()
        if "[voice]" not in more:
            more += f'\n[voice]\nrecords = "{self.call_records}"\n'
        lines = [f"{key} = {json.dumps(value)}" for key, value in section.items()]
        self.configuration.write_text(
            f'[catalog]\nurl = "{self.address}"\npoll_seconds = 0.05\n[platform]\n' + "\n".join(lines) + f"\n{more}"
        )
        self.start()
        self.operator = self.client(self.operator_token)
        for tenant in ("acme", "beta"):
            self.operator.put(f"/api/v1/tenants/{tenant}").raise_for_status()
        self.acme = self.client(self.token("acme"))
        self.beta = self.client(self.token("beta"))
        self.anybody = self.client(None)

    def start(self) -> None:
        """Start the process."""
        command = [str(Path(sys.executable).with_name("scriptforge")), "platform", "--config", str(self.configuration)]
        self.program = Program(command, self.folder / "platform.log", ROOT)
        self.url = json.loads(self.program.wait_for('"action":"serving"', seconds=SECONDS))["http"]

    def kill(self) -> None:
        """Kill the process, and start the next one."""
        self.program.signal(signal.SIGKILL)
        self.program.finish()
        self.start()
        for name in ("operator", "acme", "beta", "anybody"):
            client = getattr(self, name)
            token = client.headers.get("authorization")
            client.close()
            setattr(self, name, self.client(token.split()[1] if token else None))

    def client(self, token: str | None) -> httpx.Client:
        """Who asks with a token, or without one."""
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=SECONDS, trust_env=False, verify=NO_TLS)

    def token(self, tenant: str, *scopes: str) -> str:
        """A token of a tenant, by default for everything."""
        made = self.operator.post(
            "/api/v1/tokens", params={"tenant": tenant}, json={"name": "a test", "scopes": list(scopes or SCOPES)}
        )
        made.raise_for_status()
        text: str = made.json()["token"]
        return text

    def script(self, script_id: str, text: str = ECHO, *, client: httpx.Client | None = None, **more: Any) -> Any:
        """Save a script, by default acme's; what the platform says of it."""
        body = {"name": f"{script_id}.js", "text": text, **more}
        saved = (client or self.acme).put(f"/api/v1/scripts/{script_id}", json=body, headers={"If-Match": "*"})
        if saved.status_code == httpx.codes.PRECONDITION_FAILED:
            saved = (client or self.acme).put(f"/api/v1/scripts/{script_id}", json=body)
        assert saved.is_success, saved.text
        return saved.json()

    def raw(self, method: str, path: str) -> tuple[int, bytes]:
        """Ask as acme for a path as it is written, which a good client would change."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=SECONDS)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            connection.putheader("Authorization", self.acme.headers["Authorization"])
            connection.putheader("If-Match", "*")
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def log_lines(self, action: str) -> list[Mapping[str, Any]]:
        """What the process has logged."""
        return [json.loads(line) for line in self.program.lines(f'"action":"{action}"')]

    def sql(self, statement: str, *values: Any) -> None:
        """Change the SQLite file by hand."""
        with sqlite3.connect(self.database, timeout=SECONDS) as connection:
            connection.execute(statement, values)
        connection.close()

    def stop(self) -> int:
        """End it; its exit status."""
        for client in (self.operator, self.acme, self.beta, self.anybody):
            client.close()
        self.program.stop()
        return self.program.process.returncode or 0


async def _prepare(address: str) -> str:
    store = Store(Storage(DatabaseUrl.parse(address), create=True))
    try:
        await upgrade(store.storage)
        await ensure_operator(store, OPERATOR)
        async with store.working(OPERATOR, "operator") as work:
            _, text = await make_token(work, "first", SCOPES)
    finally:
        await store.close()
    return text
