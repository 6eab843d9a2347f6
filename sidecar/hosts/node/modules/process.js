// Node's process, of a run that is one function of one program.
const { environment, own, timers } = require("scriptforge:runtime");
const EventEmitter = require("events");
const { absent, checkFunction, unavailable } = require("./shared/errors");

// In their order, before the reactions of promises that come later. What one throws ends the run, as it would end Node.
let due = [];
let isScheduled = false;
const runDue = () => {
  isScheduled = false;
  const now = due;
  due = [];
  for (let index = 0; index < now.length; index++) {
    const { callback, values } = now[index];
    try {
      callback(...values);
    } catch (error) {
      timers.setTimeout(() => {
        throw error;
      }, 0);
    }
  }
};
const nextTick = (callback, ...values) => {
  checkFunction("callback", callback);
  due.push({ callback, values });
  if (isScheduled) return;
  isScheduled = true;
  Promise.resolve().then(runDue);
};

let started; // when it is first asked
const NANOSECONDS = 1e9;
const hrtime = (before) => {
  const milliseconds = Date.now();
  let seconds = Math.floor(milliseconds / 1000);
  let nanoseconds = (milliseconds % 1000) * 1e6;
  if (before) {
    seconds -= before[0];
    nanoseconds -= before[1];
    if (nanoseconds < 0) {
      seconds--;
      nanoseconds += NANOSECONDS;
    }
  }
  return [seconds, nanoseconds];
};
hrtime.bigint = () => BigInt(Date.now()) * 1000000n;

const output = (level) => {
  const stream = new EventEmitter();
  return Object.assign(stream, {
    isTTY: false,
    writable: true,
    write(text, encoding, done = encoding) {
      own("console")[level](String(text).replace(/\n$/, ""));
      if (typeof done === "function") nextTick(done);
      return true;
    },
    end() {},
  });
};

const process = Object.assign(new EventEmitter(), {
  env: environment,
  argv: ["/usr/bin/node", "/script.js"],
  argv0: "node",
  execArgv: [],
  execPath: "/usr/bin/node",
  title: "node",
  pid: 1,
  ppid: 0,
  platform: "linux",
  arch: "x64",
  version: "v20.20.2",
  versions: { node: "20.20.2", v8: "11.3.244.8-node.38", modules: "115" },
  release: { name: "node", lts: "Iron" },
  config: { variables: {}, target_defaults: {} },
  features: {},
  exitCode: undefined,
  stdout: output("log"),
  stderr: output("error"),
  nextTick,
  hrtime,
  cwd: () => "/",
  umask: () => 18,
  uptime: () => (Date.now() - (started ??= Date.now())) / 1000,
  memoryUsage: () => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }),
  cpuUsage: () => ({ user: 0, system: 0 }),
  getuid: () => 65534,
  geteuid: () => 65534,
  getgid: () => 65534,
  getegid: () => 65534,
  emitWarning(warning, type) {
    const name = (typeof type === "object" ? type?.type : type) ?? warning?.name ?? "Warning";
    own("console").warn(`${name}: ${warning?.message ?? warning}`);
  },
  ...absent("process", ["abort", "binding", "chdir", "dlopen", "exit", "kill", "setuid", "setgid"]),
});
Object.defineProperty(process, Symbol.toStringTag, { value: "process", configurable: true });
Object.defineProperty(process, "stdin", {
  get() {
    throw unavailable("process.stdin");
  },
  configurable: true,
});
module.exports = process;
