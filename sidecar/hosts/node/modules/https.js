// The same over TLS.
const tls = require("tls");
const { callable } = require("net")[Symbol.for("scriptforge.inside")];
const { Agent: PlainAgent, ClientRequest, argumentsOf } = require("http")[Symbol.for("scriptforge.inside")];
const { absent } = require("./shared/errors");

// Of connections that differ in one of these none is another's.
const NAMED = ["ca", "cert", "ciphers", "key", "pfx", "rejectUnauthorized", "servername", "minVersion", "maxVersion"];

class Agent extends PlainAgent {
  constructor(options) {
    super(options);
    this.defaultPort = 443;
    this.protocol = "https:";
  }

  createConnection(...given) {
    const callback = typeof given.at(-1) === "function" ? given.pop() : undefined;
    const options = Object.assign({}, ...given.filter((one) => typeof one === "object" && one !== null));
    if (typeof given[0] === "number" || typeof given[0] === "string") options.port = given[0];
    if (typeof given[1] === "string") options.host = given[1];
    if (options.ALPNProtocols === undefined) options.ALPNProtocols = ["http/1.1"];
    const socket = tls.connect(options);
    if (callback) process.nextTick(() => callback(null, socket));
    return socket;
  }

  getName(options = {}) {
    let name = super.getName(options);
    for (const one of NAMED) {
      name += ":";
      const value = options[one];
      if (value !== undefined && value !== null && !(one === "servername" && value === options.host)) name += value;
    }
    return name;
  }
}

let globalAgent = new Agent({ keepAlive: true, scheduling: "lifo", timeout: 5000 });

const request = (url, given, called) => {
  const [options, callback] = argumentsOf(url, given, called);
  return new ClientRequest({ ...options, _defaultAgent: module.exports.globalAgent }, callback);
};
const get = (url, options, callback) => {
  const made = request(url, options, callback);
  made.end();
  return made;
};

module.exports = {
  Agent: callable(Agent),
  get globalAgent() {
    return globalAgent;
  },
  set globalAgent(agent) {
    globalAgent = agent;
  },
  request,
  get,
  ...absent("https", ["createServer", "Server"]),
};
