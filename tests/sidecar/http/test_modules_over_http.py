"""A run over HTTP asks its host what a call's asks, and all of it is let go of at the end."""

from pathlib import Path

from tests.sidecar.http.platform_desk import PlatformDesk

ASKS = """
import { kv, incr } from 'cxKV';
import userspace from 'cxUserspace';
import { email, sms } from 'cxSend';
import rest from 'cxRest';
import { publish } from 'cxPubSub';

const told = (asking) => asking.then((value) => value, (error) => `${error.name}: ${error.message}`);

export async function main({ health }) {
  await setEnvVar('GREETING', 'hello');
  await kv.set('a', 'b', 60);
  await userspace.create('seen', 'a', { value: 'c' });
  const answer = await fetch(health);
  return {
    variables: [process.env.PLACE, (await getEnvVars()).GREETING],
    kept: [await kv.get('a'), await incr('n'), (await userspace.read('seen', 'a')).value],
    fetched: (await answer.json()).healthy,
    inward: await told(fetch('http://[::1]:8080/')),
    mail: await told(email({ to: 'a@x.example', text: 'x' })),
    sms: await told(sms('4930', 'x')),
    rest: await told(rest('user').get('did')),
    published: await told(publish('topic', 'x')),
  };
}
"""


def test_a_run_by_uuid_has_the_modules_and_the_variables(tmp_path: Path) -> None:
    desk = PlatformDesk(tmp_path, more='[outgoing]\nnetworks = ["127.0.0.0/8"]\n')
    desk.acme.put("/api/v1/apps/all", json={"name": "all"}).raise_for_status()
    desk.acme.put("/api/v1/apps/all/variables/PLACE", json={"value": "there"}).raise_for_status()
    desk.acme.put("/api/v1/databases/seen", json={}).raise_for_status()
    uuid = desk.script("all", ASKS, app="all", public=True)["uuid"]
    asked = desk.anybody.get(f"/run/{uuid}", params={"health": f"{desk.url}/health"})
    assert asked.status_code == 200, asked.text
    assert asked.json() == {
        "variables": ["there", "hello"],
        "kept": ["b", 1, "c"],
        "fetched": True,
        "inward": "TypeError: fetch failed: http://[::1]:8080/: ::1 is not an address that scripts may reach",
        "mail": "Error: there is no mail here: the operator has named no server (mail.server)",
        "sms": "Error: there are no short messages here: the operator has named no gateway (sms.url)",
        "rest": "Error: there is no REST API here: the operator has named none (rest.url)",
    }
    assert desk.acme.get("/api/v1/apps/all/variables/GREETING").json()["value"] == "hello"
    assert desk.stop() == 0
    assert desk.program.lines("Traceback") == []
    assert desk.program.lines("_failed") == []
