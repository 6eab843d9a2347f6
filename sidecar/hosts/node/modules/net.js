// Connections over TCP: streams over those of the host. Nobody connects to a script, so that there are no servers.
const { Duplex } = require("stream");
const { Buffer } = require("buffer");
const { isIP, isIPv4, isIPv6 } = require("./shared/addresses");
const { host, numbered } = require("./shared/connections");
const { checkFunction, coded, outOfRange, unavailable, wrongType } = require("./shared/errors");

const LONGEST_TIMEOUT = 2 ** 31 - 1;
const connection = Symbol("connection"); // its number at the host, once there is one
const ready = Symbol("ready"); // whether bytes go
const taken = Symbol("taken"); // whether TLS has taken it over
const reached = Symbol("reached"); // what becomes of a connection that has been made
const begin = Symbol("begin");

const noPort = (port) =>
  coded(
    RangeError,
    "ERR_SOCKET_BAD_PORT",
    `Port should be >= 0 and < 65536. Received ${typeof port === "string" ? `type string ('${port}')` : `type ${typeof port} (${String(port)})`}.`,
  );
const portOf = (port) => {
  if (typeof port !== "number" && typeof port !== "string")
    throw wrongType("options.port", "one of type number or string", port);
  const number = +port;
  if ((typeof port === "string" && port.trim() === "") || number !== number >>> 0 || number > 65535) throw noPort(port);
  return number;
};

// [options, callback] of what net.connect and tls.connect may be given.
const argumentsOf = (given) => {
  const callback = typeof given.at(-1) === "function" ? given.at(-1) : undefined;
  const [first, second] = given;
  if (Array.isArray(first)) return first;
  if (typeof first === "object" && first !== null) return [first, callback];
  if (typeof first === "string" && !/^\d+$/.test(first)) return [{ path: first }, callback];
  const options = { port: first };
  if (typeof second === "string") options.host = second;
  return [options, callback];
};

class Socket extends Duplex {
  constructor(given = {}) {
    const options = typeof given === "number" ? { fd: given } : given;
    if (options.fd !== undefined) throw unavailable("net.Socket of a file descriptor");
    super({
      allowHalfOpen: options.allowHalfOpen === true,
      emitClose: false,
      autoDestroy: true,
      decodeStrings: true,
      highWaterMark: options.highWaterMark,
      signal: options.signal,
    });
    this.connecting = false;
    this.server = null;
    this.bytesRead = 0;
    this.timeout = 0;
    this[connection] = undefined;
    this[ready] = false;
    this._bytesDispatched = 0;
    this._timer = undefined;
    this._pulling = false;
    this._remote = this._local = undefined;
    this.on("end", () => {
      if (!this.allowHalfOpen) this._ended = true;
    });
  }

  connect(...given) {
    const [options, callback] = argumentsOf(given);
    if (options.path != null) throw unavailable("net.connect to a path");
    const { host: name = "localhost" } = options;
    if (options.port === undefined) throw missingPort();
    const port = portOf(options.port);
    if (typeof name !== "string" && name) throw wrongType("hostname", "of type string", name);
    if (options.lookup !== undefined) checkFunction("options.lookup", options.lookup);
    if (callback !== undefined) this.once("connect", callback);
    if (options.timeout) this.setTimeout(options.timeout);
    this.connecting = true;
    this._host = name || "localhost";
    this._asked = { port };
    this[begin](this._host, port, options.lookup).catch((error) => this.destroy(error));
    return this;
  }

  async [begin](name, port, lookup) {
    const address = lookup === undefined || isIP(name) ? name : await this._lookUp(name, lookup);
    if (this.destroyed) return;
    let made;
    try {
      made = await host().connect(address, port);
    } catch (error) {
      const shown = isIP(address) ? { address, port } : { port };
      throw numbered(error, error.syscall === "getaddrinfo" ? { hostname: address } : shown);
    }
    if (this.destroyed) {
      host()
        .close(made.number)
        .catch(() => {});
      return;
    }
    this[connection] = made.number;
    [this._remote, this._local] = [made.remote, made.local];
    if (!isIP(name) && lookup === undefined) this.emit("lookup", null, made.remote[0], isIP(made.remote[0]), name);
    this[reached]();
  }

  // Of an author's own, whose address is checked as any other that a script connects to.
  _lookUp(name, lookup) {
    return new Promise((resolve, reject) => {
      lookup(name, { family: 0, hints: 0, all: false }, (error, address, family) => {
        this.emit("lookup", error, address, family, name);
        const first = Array.isArray(address) ? address[0]?.address : address;
        if (error) reject(error);
        else if (!isIP(first)) reject(coded(TypeError, "ERR_INVALID_IP_ADDRESS", `Invalid IP address: ${first}`));
        else resolve(first);
      });
    });
  }

  [reached]() {
    this.connecting = false;
    this[ready] = true;
    this._moved();
    this.emit("connect");
    this.emit("ready");
    this._begun();
  }

  _begun() {
    this.emit("scriptforge:begun");
    if (this.readable && !this.isPaused()) this.read(0);
  }

  _whenReady(then) {
    if (this[ready]) then();
    else this.once("scriptforge:begun", then);
  }

  _read() {
    if (!this[ready]) {
      this.once("scriptforge:begun", () => this._read());
      return;
    }
    if (this._pulling) return;
    this._pulling = true;
    host()
      .read(this[connection])
      .then(
        (bytes) => this._came(bytes),
        (error) => {
          this._pulling = false;
          if (!this[taken]) this.destroy(numbered(error));
        },
      );
  }

  _came(bytes) {
    this._pulling = false;
    if (this.destroyed || bytes === undefined) return;
    if (this[taken]) {
      // Sent before TLS was agreed on: nobody's who can be trusted.
      this.emit("scriptforge:early", bytes);
      return;
    }
    this._moved();
    if (bytes.length === 0) {
      this.push(null);
      if (this.readableLength === 0) this.read(0);
      return;
    }
    this.bytesRead += bytes.length;
    this.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  }

  _write(chunk, _encoding, callback) {
    this._whenReady(() => {
      if (this[connection] === undefined || this[taken]) {
        callback(coded(Error, "ERR_SOCKET_CLOSED", "Socket is closed"));
        return;
      }
      if (this._ended) {
        callback(Object.assign(coded(Error, "EPIPE", "This socket has been ended by the other party")));
        return;
      }
      this._moved();
      this._bytesDispatched += chunk.length;
      host()
        .write(this[connection], chunk)
        .then(
          () => {
            this._moved();
            callback();
          },
          (error) => callback(numbered(error)),
        );
    });
  }

  _writev(chunks, callback) {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), "buffer", callback);
  }

  _final(callback) {
    if (this.connecting) {
      this.once("scriptforge:begun", () => this._final(callback));
      return;
    }
    if (this[connection] === undefined || this[taken]) {
      callback();
      return;
    }
    host()
      .halfClose(this[connection])
      .then(
        () => callback(),
        () => callback(),
      );
  }

  _destroy(error, callback) {
    this.connecting = false;
    clearTimeout(this._timer);
    this._timer = undefined;
    const number = this[connection];
    this[connection] = this._remote = undefined;
    const closed = () => this.emit("close", Boolean(error));
    callback(error);
    const afterwards = () => process.nextTick(closed);
    if (number === undefined || this[taken]) afterwards();
    else host().close(number).then(afterwards, afterwards);
  }

  destroySoon() {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", this.destroy);
  }
  resetAndDestroy() {
    return this.destroy();
  }

  setTimeout(milliseconds, callback) {
    if (typeof milliseconds !== "number") throw wrongType("msecs", "of type number", milliseconds);
    if (!(milliseconds >= 0 && Number.isFinite(milliseconds)))
      throw outOfRange("msecs", "a non-negative finite number", milliseconds);
    if (callback !== undefined) checkFunction("callback", callback);
    if (this.destroyed) return this;
    this.timeout = Math.min(milliseconds, LONGEST_TIMEOUT);
    this._moved();
    if (callback !== undefined) {
      if (this.timeout === 0) this.removeListener("timeout", callback);
      else this.once("timeout", callback);
    }
    return this;
  }
  // Something has gone over it: its timeout begins anew.
  _moved() {
    clearTimeout(this._timer);
    this._timer = this.timeout && !this.destroyed ? setTimeout(() => this.emit("timeout"), this.timeout) : undefined;
  }

  setNoDelay() {
    return this;
  }
  setKeepAlive() {
    return this;
  }
  ref() {
    return this;
  }
  unref() {
    return this;
  }
  address() {
    return this._local === undefined
      ? {}
      : { address: this._local[0], family: `IPv${isIP(this._local[0])}`, port: this._local[1] };
  }
  get pending() {
    return this[connection] === undefined || this.connecting;
  }
  get readyState() {
    if (this.connecting) return "opening";
    if (this.readable && this.writable) return "open";
    if (this.readable) return "readOnly";
    return this.writable ? "writeOnly" : "closed";
  }
  get bufferSize() {
    return this.writableLength;
  }
  get bytesWritten() {
    return this._bytesDispatched + this.writableLength;
  }
  get remoteAddress() {
    return this._remote?.[0];
  }
  get remoteFamily() {
    return this._remote === undefined ? undefined : `IPv${isIP(this._remote[0])}`;
  }
  get remotePort() {
    return this._remote?.[1];
  }
  get localAddress() {
    return this._local?.[0];
  }
  get localPort() {
    return this._local?.[1];
  }
  get localFamily() {
    return this._local === undefined ? undefined : `IPv${isIP(this._local[0])}`;
  }
  get _handle() {
    return this[connection] === undefined ? null : {};
  }
}

const missingPort = () =>
  coded(TypeError, "ERR_MISSING_ARGS", 'The "options" or "port" or "path" argument must be specified');

const connect = (...given) => {
  const made = argumentsOf(given);
  return new Socket(made[0]).connect(made);
};

// Called or made anew, as a class of Node's may be.
const callable = (Class) => new Proxy(Class, { apply: (_target, _self, given) => new Class(...given) });

const noServer = (name) =>
  function () {
    throw unavailable(`net.${name}: nobody connects to a script, and a server`);
  };
const Stream = callable(Socket);

module.exports = {
  Socket: Stream,
  Stream,
  connect,
  createConnection: connect,
  isIP,
  isIPv4,
  isIPv6,
  createServer: noServer("createServer"),
  Server: noServer("Server"),
  BlockList: noServer("BlockList"),
  getDefaultAutoSelectFamily: () => true,
  setDefaultAutoSelectFamily: () => {},
  getDefaultAutoSelectFamilyAttemptTimeout: () => 250,
  setDefaultAutoSelectFamilyAttemptTimeout: () => {},
  _normalizeArgs: argumentsOf,
};
// For tls, which goes on with the same connection.
Object.defineProperty(module.exports, Symbol.for("scriptforge.inside"), {
  value: { Socket, argumentsOf, begin, callable, connection, reached, ready, taken },
});
