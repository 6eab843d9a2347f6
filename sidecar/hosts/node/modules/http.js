// HTTP/1.1 as a client: requests over connections of the host, parsed here. Nobody connects to a script, so that there are no
// servers.
const { Agent } = require("./shared/agent");
const { ClientRequest, argumentsOf } = require("./shared/client_request");
const { HEADER_BYTES } = require("./shared/http_parser");
const { IncomingMessage } = require("./shared/incoming_message");
const { OutgoingMessage, validateHeaderName, validateHeaderValue } = require("./shared/outgoing_message");
const { callable } = require("net")[Symbol.for("scriptforge.inside")];
const { METHODS, STATUS_CODES } = require("./shared/http_names");
const { absent } = require("./shared/errors");

// Of nobody but this run: a connection is its own.
let globalAgent = new Agent({ keepAlive: true, scheduling: "lifo", timeout: 5000 });

const request = (url, options, callback) => new ClientRequest(url, options, callback);
const get = (url, options, callback) => {
  const made = request(url, options, callback);
  made.end();
  return made;
};

module.exports = {
  METHODS,
  STATUS_CODES,
  Agent: callable(Agent),
  ClientRequest: callable(ClientRequest),
  IncomingMessage: callable(IncomingMessage),
  OutgoingMessage: callable(OutgoingMessage),
  get globalAgent() {
    return globalAgent;
  },
  set globalAgent(agent) {
    globalAgent = agent;
  },
  maxHeaderSize: HEADER_BYTES,
  request,
  get,
  validateHeaderName,
  validateHeaderValue,
  setMaxIdleHTTPParsers: () => {},
  ...absent("http", ["createServer", "Server", "ServerResponse"]),
};
// For https, whose requests and agents are of the same classes.
Object.defineProperty(module.exports, Symbol.for("scriptforge.inside"), {
  value: { Agent, ClientRequest, argumentsOf },
});
