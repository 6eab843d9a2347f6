// The `ping` and `route` of the sidecar's socket, with each script in an isolate of its own.
//
//     node --no-node-snapshot server.mjs SOCKET SCRIPTS-DIRECTORY ADAPTER
//
// What it leaves out, the sidecar does and pays for: fresh globals for each call, checks of headers and numbers, records
// and metrics, a process that can be killed. What it has: V8's own compiler, and no process between socket and script.
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import ivm from "isolated-vm";
import { Packr, UnpackrStream } from "msgpackr";

const MEMORY_MB = 100;
const TIMEOUT_MS = 2000;
const VARS = { limits: { rate: 0.05, name: "standard" } };

const [socketPath, scripts, adapterPath] = process.argv.slice(2);
const adapter = readFileSync(adapterPath, "utf8");
const packer = new Packr({ useRecords: false });
const runs = new Map();

function load(customer) {
  const number = /^customer-(\d+)$/.exec(customer)[1];
  const source = readFileSync(join(scripts, `routing-${number}.js`), "utf8");
  const isolate = new ivm.Isolate({ memoryLimit: MEMORY_MB });
  const context = isolate.createContextSync();
  context.evalSync(`
    const adapter = ${adapter};
    ${source}
    globalThis.run = (text) => {
      const data = adapter.prepare(JSON.parse(text));
      return JSON.stringify(adapter.collect(data, main(data)));
    };`);
  const run = context.global.getSync("run", { reference: true });
  runs.set(customer, run);
  return run;
}

function route({ customer, routing }) {
  const run = runs.get(customer) ?? load(customer);
  const text = JSON.stringify({ routing, headers: [], remove_headers: [], vars: VARS });
  const result = JSON.parse(run.applySync(undefined, [text], { timeout: TIMEOUT_MS }));
  const add = result.headers.flat().map(({ key, value }) => [key, String(value)]);
  const remove = result.remove_headers.flat().map(({ key }) => key);
  return { action: "route", outcome: "returned", routing: result.routing, headers: { add, remove } };
}

function answer([, id, method, [params]]) {
  try {
    if (method === "ping") return [1, id, null, "pong"];
    if (method === "route") return [1, id, null, route(params)];
    return [1, id, { code: "unknown_method", message: method }, null];
  } catch (error) {
    return [1, id, { code: "internal", message: String(error) }, null];
  }
}

createServer((connection) => {
  const requests = new UnpackrStream({ useRecords: false, mapsAsObjects: true, int64AsType: "number" });
  connection.on("error", () => connection.destroy());
  connection.pipe(requests);
  let answers = [];
  requests.on("error", () => connection.destroy());
  requests.on("data", (message) => {
    if (answers.length === 0) {
      // One write for all that one read brought.
      setImmediate(() => {
        connection.write(answers.length === 1 ? answers[0] : Buffer.concat(answers));
        answers = [];
      });
    }
    answers.push(Buffer.from(packer.pack(answer(message))));
  });
}).listen(socketPath);
