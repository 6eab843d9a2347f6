// What a machine is said to be that is none: nothing of the host's is told.
const { absent } = require("./shared/errors");

const tell = (value) => () => value;
module.exports = {
  EOL: "\n",
  devNull: "/dev/null",
  constants: { signals: {}, errno: {}, priority: {}, dlopen: {} },
  arch: tell("x64"),
  availableParallelism: tell(1),
  cpus: () => [],
  endianness: tell("LE"),
  freemem: tell(0),
  homedir: tell("/"),
  hostname: tell("localhost"),
  loadavg: () => [0, 0, 0],
  machine: tell("x86_64"),
  networkInterfaces: () => ({}),
  platform: tell("linux"),
  release: tell("0.0.0"),
  tmpdir: tell("/tmp"),
  totalmem: tell(0),
  type: tell("Linux"),
  uptime: tell(0),
  userInfo: () => ({ uid: 65534, gid: 65534, username: "nobody", homedir: "/", shell: null }),
  version: tell(""),
  ...absent("os", ["getPriority", "setPriority"]),
};
