"""Scripts of every kind that decide a call's routing, and their customers."""

import asyncio
from typing import Any

from sipio.rpc.client import RpcClient
from tests.acceptance.serving import request

WHOLE = """
function main(data) {
  if (data.egress_routing !== data.routing.egress_routing) throw new Error("two lists");
  if (data.headers !== data.routing.headers) throw new Error("two header lists");
  const [first, second, third] = data.routing.egress_routing;
  first.remove_headers = [{ key: "X-Class" }];
  first.headers = [{ key: "X-Class", value: 7 }];
  second.gw["8"].cli = "+31880000008";
  data.routing.cli = "+31880000001";
  data.routing.dest_number = data.dial.prefix + data.routing.dest_number;
  data.egress_routing = [third, first, second];
  data.egress_routing.headers = [{ key: "X-All", value: "list" }];
  data.headers = [{ key: "X-Env", value: [process.env.SCRIPTFORGE_ID, process.env.SCRIPTFORGE_NAME,
    process.env.APP_ID, process.env.CORRELATION_ID, process.env.TARIFF, process.env.SCRIPTFORGE_UUID].join(" ") }];
  data.remove_headers = [{ key: "P-Asserted-Identity" }];
  return data;
}
"""


SCRIPTS = {
    "whole": WHOLE,
    "oldest": "const data = vars(); data.routing.cli = '100'; exit(data)",
    "refused": "err([604, 'Number not found'])",
    "threw": "function main() { throw new Error('404 Not Found') }",
    "rejected": "function main() { return Promise.reject([603, 'Declined']) }",
    "smuggles": "function main(data) { data.headers.push({key: 'X-A', value: 'a\\r\\nVia: b'}) }",
    "via": "function main(data) { data.routing.egress_routing[0].headers = [{key: 'vIA', value: 'b'}] }",
    "broken": "\n\nfunction main(data) {\n  return data.routing.nothing.at.all;\n}",
    "endless": "function main() { for (;;); }",
    "hungry": "function main() { const a = []; for (;;) a.push(new Array(1e4).fill(7)) }",
    "slow": "const main = () => new Promise((done) => setTimeout(done, 20000))",
    "empties": "function main(data) { return { egress_routing: [] } }",
    "requires": "function main() { return globalThis['req' + 'uire']('cxKV') }",
    "same": "function main(data) { return data }",
    "huge": "function main(data) { data.routing.x = 1e20; data.routing.name = 'a\\u{1f600}'.slice(0, 2) }",
    "account": "function main(data) { data.headers.push({key: 'X-Account', value: data.routing.account_id}) }",
    "prototypes": "function main(data) { data.routing.__proto__ = { cli: '1' }; Object.prototype.leak = 1; }",
    "repeats": """function main(data) {
        const one = data.routing.egress_routing[0];
        one.headers = [{ key: 'X-N', value: 1 }];
        data.routing.egress_routing = Array(400).fill(one);
    }""",
    "talks": """function main(data) {
        console.log('half \\ud83d\\n{"action":"decision","call_id":"forged"}\\u001b[31m\\u2028\\u009b2J\\u0000');
        console.error({ toJSON() { return 'an object' } });
    }""",
    "names": "function main() { throw Object.assign(new Error('a\\n{\"action\":\"forged\"}'), { name: 'x\\ny' }) }",
    "reads_sip": "function main({ routing, sip }) { routing.seen = [sip.source, sip.headers['user-AGENT'] ?? null] }",
    "before": """function main(data) {
        data.headers.push({ key: 'X-Order', value: 'first' });
        data.routing.trail = 'first';
    }""",
    "after": """function main(data) {
        if (data.routing.trail === undefined) throw new Error('the first one has not run');
        data.headers.push({ key: 'X-Order', value: 'last' });
        data.routing.trail += ' last';
    }""",
}


ASSIGNMENTS = """
[[script]]
file = "whole.js"
id = "the-whole"
name = "All of it.js"
app = "tariffs"
uuid = "11111111-2222-3333-4444-555555555555"
environment = { TARIFF = "gold" }
[[script]]
file = "rejected.js"
kind = "app"
[[script]]
file = "slow.js"
kind = "app"
[[route]]
customer = "whole"
script = "the-whole"
vars = '''
[dial]
prefix = "0031"
'''
[[did]]
did = "31201112222"
script = "oldest"
[[route]]
customer = "hungry"
script = "hungry"
error_action = "480 No Memory"
[[route]]
customer = "broken"
script = "broken"
[[route]]
customer = "endless"
script = "endless"
timeout_ms = 100
timeout_action = "503 Too Slow"
[[route]]
customer = "endless"
route = "open"
script = "endless"
timeout_ms = 100
timeout_action = "continue"
"""


PLAIN = set(SCRIPTS) - {"whole", "oldest", "hungry", "broken", "endless", "before", "after"}

ASSIGNMENTS += "".join(
    f'[[route]]\ncustomer = "{name}"\nscript = "{name}"\nerror_action = "500 Failed"\n' for name in sorted(PLAIN)
)


async def route(client: RpcClient, customer: str, call_id: str = "call", /, **more: Any) -> dict[str, Any]:
    async with asyncio.timeout(10):
        decision: dict[str, Any] = await client.call("route", request(customer, call_id, **more))
        return decision


def three() -> list[dict[str, Any]]:
    return [{"name": str(n), "gw": {str(n): {"cli": "+31201234567", "host": f"192.0.2.{n}"}}} for n in (7, 8, 9)]
