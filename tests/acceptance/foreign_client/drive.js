// Uses one published MessagePack-RPC client as its documentation says, and prints what it got as JSON.
// node drive.js msgpack-rpc-lite|msgpack5rpc unix:/path|tcp:host:port
"use strict";
const net = require("net");

const [library, address] = process.argv.slice(2);
const target = address.startsWith("unix:")
  ? { path: address.slice(5) }
  : { host: address.split(":")[1], port: Number(address.split(":")[2]) };

function connectLite() {
  const { Client, createClient } = require("msgpack-rpc-lite");
  // Its createClient knows TCP only; the class behind it, exported too, takes whatever net.connect does.
  const client = target.path ? new Client(target) : createClient(target.port, target.host);
  return {
    call: (method, ...params) => client.request(method, ...params).then(([result]) => result),
    notify: (method, ...params) => client.notify(method, ...params),
    close: () => client.close(),
  };
}

function connectMsgpack5() {
  const Session = require("msgpack5rpc");
  const socket = net.connect(target);
  const session = new Session();
  session.attach(socket, socket);
  return {
    call: (method, ...params) =>
      new Promise((resolve, reject) =>
        session.request(method, params, (error, result) => (error ? reject(error) : resolve(result))),
      ),
    notify: (method, ...params) => session.notify(method, params),
    close: () => socket.end(),
  };
}

async function main() {
  const client = { "msgpack-rpc-lite": connectLite, msgpack5rpc: connectMsgpack5 }[library]();
  const refused = (promise) =>
    promise.then(
      () => null,
      (error) => error.code,
    );
  const call = (number, customer) =>
    client.call("route", { call_id: `call-${number}`, customer, routing: { cli: `+31${number}`, price: 0.5 } });

  const output = { hello: await client.call("hello", { client: library, version: "1" }) };
  const numbers = Array.from({ length: 64 }, (_, number) => number);
  const order = [];
  const decisions = await Promise.all(
    numbers.map((number) =>
      call(number, "customer").then((decision) => {
        order.push(number);
        return decision;
      }),
    ),
  );
  output.clis = decisions.map((decision) => decision.routing.cli);
  output.order = order;
  output.decision = decisions[0];
  output.unknown_method = await refused(client.call("no_such_method"));
  output.bad_request = await refused(client.call("route", { call_id: 1 }));
  const held = call("held", "hold");
  client.notify("cancel", { call_id: "call-held" });
  output.cancelled = (await held).outcome;
  client.close();
  console.log(JSON.stringify(output));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
