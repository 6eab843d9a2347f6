// A request over HTTP and what becomes of it: of one socket, which its agent may give to another afterwards.
const net = require("net");
const { Buffer } = require("buffer");
const { IncomingMessage } = require("./incoming_message");
const { OutgoingMessage, validateHeaderName, validateHeaderValue } = require("./outgoing_message");
const { HEADER_BYTES, ResponseParser, isInformational } = require("./http_parser");
const { coded, outOfRange, wrongType } = require("./errors");

const WITHOUT_BODY = new Set(["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"]);
const NO_PATH = /[^\u0021-\u00ff]/;

const hangUp = (message = "socket hang up") => coded(Error, "ECONNRESET", message);

const optionsOfUrl = (url) => {
  const { protocol, hostname, hash, search, pathname, href, port, username, password } = url;
  const options = {
    protocol,
    hostname: hostname.startsWith("[") ? hostname.slice(1, -1) : hostname,
    hash,
    search,
    pathname,
    path: `${pathname || ""}${search || ""}`,
    href,
  };
  if (port !== "") options.port = Number(port);
  if (username || password) options.auth = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return options;
};
const isUrl = (given) =>
  typeof given === "object" &&
  given !== null &&
  Boolean(given.href && given.protocol && given.auth === undefined && given.path === undefined);
// [options, callback] of (url[, options][, callback]).
const argumentsOf = (input, given, called) => {
  let [first, second, callback] = [input, given, called];
  if (typeof first === "string") first = optionsOfUrl(new URL(first));
  else if (isUrl(first)) first = optionsOfUrl(first);
  else [first, second, callback] = [{}, first, second];
  if (typeof second === "function") [second, callback] = [{}, second];
  return [Object.assign(first, second), callback];
};
const hostOf = (value, name) => {
  if (value !== null && value !== undefined && typeof value !== "string")
    throw wrongType(`options.${name}`, "of type string or one of undefined or null", value);
  return value;
};
const duration = (value, name) => {
  if (typeof value !== "number") throw wrongType(name, "of type number", value);
  if (!(value >= 0 && Number.isFinite(value))) throw outOfRange(name, "a non-negative finite number", value);
  return Math.min(value, 2 ** 31 - 1);
};

class ClientRequest extends OutgoingMessage {
  constructor(input, given, called) {
    super();
    const [options, callback] = argumentsOf(input, given, called);
    const usual = options._defaultAgent ?? require("http").globalAgent;
    let { agent } = options;
    if (agent === false) agent = new usual.constructor();
    else if (agent === null || agent === undefined) {
      if (typeof options.createConnection !== "function") agent = usual;
    } else if (typeof agent.addRequest !== "function")
      throw wrongType("options.agent", "one of Agent-like Object, undefined, or false", agent);
    this.agent = agent;

    const protocol = options.protocol || usual.protocol;
    const expected = this.agent?.protocol ?? usual.protocol;
    if (options.path !== undefined && options.path !== null && NO_PATH.test(`${options.path}`))
      throw coded(TypeError, "ERR_UNESCAPED_CHARACTERS", "Request path contains unescaped characters");
    if (protocol !== expected)
      throw coded(TypeError, "ERR_INVALID_PROTOCOL", `Protocol "${protocol}" not supported. Expected "${expected}"`);
    const usualPort = options.defaultPort || this.agent?.defaultPort;
    options.port = options.port || usualPort || 80;
    options.host = hostOf(options.hostname, "hostname") || hostOf(options.host, "host") || "localhost";
    options.path = options.path || "/";
    if (options.timeout !== undefined) this.timeout = duration(options.timeout, "timeout");
    this._signal(options.signal);

    if (options.method !== undefined && options.method !== null && typeof options.method !== "string")
      throw wrongType("options.method", "of type string", options.method);
    if (options.method) validateHeaderName(options.method, "Method");
    this.method = (options.method || "GET").toUpperCase();
    this.maxHeaderSize = options.maxHeaderSize;
    this.path = `${options.path}`;
    this.host = options.host;
    this.protocol = protocol;
    this.res = null;
    this.aborted = false;
    this.reusedSocket = false;
    this.upgradeOrConnect = false;
    this.parser = null;
    this.useChunkedEncodingByDefault = !WITHOUT_BODY.has(this.method);
    this._ended = false;
    this._timeoutCallback = undefined;
    if (callback) this.once("response", callback);
    this._last = Boolean(this.agent) && !this.agent.keepAlive && !Number.isFinite(this.agent.maxSockets);
    if (!this.agent) this._last = true;
    this.shouldKeepAlive = !this._last;
    this._takeHeaders(options, usualPort);

    if (this.agent) this.agent.addRequest(this, { ...options, signal: undefined });
    else this._connect(options);
  }

  _signal(signal) {
    if (!signal) return;
    if (typeof signal !== "object" || !("aborted" in signal))
      throw wrongType("options.signal", "an instance of AbortSignal", signal);
    const abort = () => {
      const error = new Error("The operation was aborted", { cause: signal.reason });
      this.destroy(Object.assign(error, { name: "AbortError", code: "ABORT_ERR" }));
    };
    if (signal.aborted) process.nextTick(abort);
    else {
      signal.addEventListener("abort", abort);
      this.once("close", () => signal.removeEventListener("abort", abort));
    }
  }

  _takeHeaders(options, usualPort) {
    const { headers, host, port } = options;
    const startLine = `${this.method} ${this.path} HTTP/1.1\r\n`;
    if (Array.isArray(headers)) {
      // As they are, and no others.
      const pairs = [];
      if (Array.isArray(headers[0])) pairs.push(...headers);
      else for (let index = 0; index < headers.length; index += 2) pairs.push(headers.slice(index, index + 2));
      for (const [name, value] of pairs) {
        validateHeaderName(name);
        for (const one of [value].flat()) validateHeaderValue(name, one);
      }
      this._storeHeader(startLine, pairs);
      return;
    }
    if (headers) for (const name of Object.keys(headers)) this.setHeader(name, headers[name]);
    if (host && !this.getHeader("host") && options.setHost !== false) {
      const shown = host.includes(":") && !host.startsWith("[") && net.isIPv6(host) ? `[${host}]` : host;
      this.setHeader("Host", port && +port !== usualPort ? `${shown}:${port}` : shown);
    }
    if (options.auth && !this.getHeader("Authorization"))
      this.setHeader("Authorization", `Basic ${Buffer.from(options.auth).toString("base64")}`);
    if (this.getHeader("expect")) this._storeHeader(startLine, this._outHeaders.values());
  }

  _connect(options) {
    let told = false;
    const created = (error, socket) => {
      if (told) return;
      told = true;
      if (error) process.nextTick(() => this._fail(error));
      else this.onSocket(socket);
    };
    if (typeof options.createConnection !== "function") {
      this.onSocket(net.createConnection(options));
      return;
    }
    try {
      const made = options.createConnection(options, created);
      if (made) created(null, made);
    } catch (error) {
      created(error);
    }
  }

  _implicitHeader() {
    if (this._header)
      throw coded(Error, "ERR_HTTP_HEADERS_SENT", "Cannot render headers after they are sent to the client");
    this._storeHeader(`${this.method} ${this.path} HTTP/1.1\r\n`, this._outHeaders.values());
  }

  // ---- its end ----

  abort() {
    if (this.aborted) return;
    this.aborted = true;
    process.nextTick(() => this.emit("abort"));
    this.destroy();
  }

  destroy(error) {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.res?._dump();
    this._error = error ?? null;
    this.socket?.destroy(error);
    return this;
  }

  // It is over without a socket, or before one was its own.
  _fail(error) {
    const told = error ?? (this.aborted ? undefined : hangUp());
    this.destroyed = true;
    if (told) this.emit("error", told);
    this._close();
  }

  _close() {
    if (this._closed) return;
    this._closed = true;
    this.emit("close");
  }

  // ---- its socket ----

  onSocket(socket, error) {
    process.nextTick(() => {
      if (!this.destroyed && !error) {
        this._begin(socket);
        this._flush();
        return;
      }
      const why = error ?? this._error;
      if (socket && !why && this.agent && !socket.destroyed && !this.aborted && socket.emit("free")) return;
      if (socket && !socket.destroyed) {
        socket.on("error", () => {});
        socket.destroy();
      }
      this._fail(why ?? undefined);
    });
  }

  _begin(socket) {
    this.socket = socket;
    socket._httpMessage = this;
    socket._hadError = false;
    const parser = new ResponseParser(
      {
        head: (head) => this._takeHead(head),
        body: (bytes) => this._takeBody(bytes),
        trailers: (headers) => this.res?.rawTrailers.push(...headers),
        end: () => this._takeEnd(),
      },
      this.maxHeaderSize || HEADER_BYTES,
    );
    this.parser = parser;
    const listeners = {
      data: (bytes) => this._feed(bytes),
      end: () => this._socketEnded(),
      error: (error) => this._socketFailed(error),
      close: () => this._socketClosed(),
      drain: () => {
        if (!this._needsDrain) return;
        this._needsDrain = false;
        this.emit("drain");
      },
    };
    this._detach = (...names) => {
      for (const name of names.length ? names : Object.keys(listeners)) socket.removeListener(name, listeners[name]);
    };
    for (const [name, listener] of Object.entries(listeners)) socket.on(name, listener);
    if (this.timeout !== undefined || this.agent?.options?.timeout) this._listenToTimeout();
    this.emit("socket", socket);
  }

  _feed(bytes) {
    const { parser, socket } = this;
    if (parser === null) return;
    let taken;
    try {
      taken = parser.execute(bytes);
    } catch (error) {
      if (!error.code?.startsWith("HPE_")) throw error;
      error.rawPacket = bytes;
      this.parser = null;
      this._detach("data", "end");
      socket._hadError = true;
      socket.destroy();
      this.destroyed = true;
      this.emit("error", error);
      return;
    }
    if (this.parser === null) return;
    if (parser.upgraded) this._handOver(bytes.subarray(taken));
    else if (this.res?.complete && !parser.isWithin) {
      this.parser = null;
      this._detach("data", "end");
      // What nobody has asked for would be taken for the next answer.
      if (taken < bytes.length) this.shouldKeepAlive = false;
    }
  }

  _takeHead(head) {
    const { socket } = this;
    if (this.res) {
      // A second answer to one request.
      this.parser = null;
      socket.destroy();
      return "upgrade";
    }
    const response = new IncomingMessage(socket);
    response.httpVersionMajor = head.versionMajor;
    response.httpVersionMinor = head.versionMinor;
    response.httpVersion = `${head.versionMajor}.${head.versionMinor}`;
    response.statusCode = head.statusCode;
    response.statusMessage = head.statusMessage;
    response.rawHeaders = head.headers;
    response.upgrade = head.upgrade;
    response.req = this;
    if (head.upgrade || this.method === "CONNECT") {
      this.res = response;
      response.upgrade = true;
      return "upgrade";
    }
    if (isInformational(head.statusCode)) {
      if (head.statusCode === 100) this.emit("continue");
      const { statusCode, statusMessage, httpVersion, httpVersionMajor, httpVersionMinor, headers, rawHeaders } =
        response;
      this.emit("information", {
        statusCode,
        statusMessage,
        httpVersion,
        httpVersionMajor,
        httpVersionMinor,
        headers,
        rawHeaders,
      });
      return true;
    }
    this.res = response;
    if (!head.keepsAlive) this.shouldKeepAlive = false;
    response.on("end", () => this._responseEnded());
    this.on("finish", () => {
      if (this.shouldKeepAlive && this._ended) this._free();
    });
    if (this.aborted || !this.emit("response", response)) response._dump();
    return this.method === "HEAD";
  }

  _takeBody(bytes) {
    const { res, socket } = this;
    if (!res || res._dumped) return;
    if (!res.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))) socket.pause();
  }

  _takeEnd() {
    const { res } = this;
    if (!res) return;
    res.complete = true;
    res.push(null);
    this.socket?.resume();
  }

  _responseEnded() {
    const { socket } = this;
    this._ended = true;
    if (!this.shouldKeepAlive) {
      if (socket.writable) socket.destroySoon();
    } else if (this.writableFinished && !this.res.aborted) this._free();
  }

  // Another request may have the socket.
  _free() {
    const { socket } = this;
    if (this._timeoutCallback) {
      socket.setTimeout(0);
      socket.removeListener("timeout", this._timeoutCallback);
    }
    this._detach();
    this.destroyed = true;
    process.nextTick(() => {
      this._close();
      socket.emit("free");
    });
  }

  _handOver(rest) {
    const { res, socket } = this;
    this.parser = null;
    this._detach();
    const name = this.method === "CONNECT" ? "connect" : "upgrade";
    if (this.listenerCount(name) === 0) {
      socket._httpMessage = this;
      socket.on("error", () => {});
      socket.destroy();
      this._fail(hangUp());
      return;
    }
    this.upgradeOrConnect = true;
    socket.emit("agentRemove");
    socket._httpMessage = null;
    socket.pause();
    this.emit(name, res, socket, Buffer.from(rest));
    this.destroyed = true;
    this._close();
  }

  _socketEnded() {
    const { parser, socket } = this;
    this.parser = null;
    let wrong;
    try {
      parser?.finish();
    } catch (error) {
      if (error.code !== "HPE_INVALID_EOF_STATE") wrong = error;
    }
    if (!socket._hadError && (!this.res || wrong)) {
      socket._hadError = true;
      this.emit("error", wrong ?? hangUp());
    }
    socket.destroy();
  }

  _socketFailed(error) {
    this.socket._hadError = true;
    this.emit("error", error);
    this.parser = null;
    this._detach("data", "end");
    this.socket.destroy();
  }

  _socketClosed() {
    const { res, socket } = this;
    this.destroyed = true;
    this.parser = null;
    if (res) {
      if (!res.complete) res.destroy(hangUp("aborted"));
      this._close();
      if (!res.aborted && res.readable) res.push(null);
    } else {
      if (!socket._hadError) {
        socket._hadError = true;
        if (!this.aborted || !this._error) this.emit("error", hangUp());
      }
      this._close();
    }
    this.outputData.length = 0;
  }

  // ---- time ----

  setTimeout(milliseconds, callback) {
    if (this._ended) return this;
    this._listenToTimeout();
    const wait = duration(milliseconds, "msecs");
    this.timeout = wait;
    if (callback) this.once("timeout", callback);
    const begin = (socket) => {
      if (socket.connecting) socket.once("connect", () => socket.setTimeout(wait));
      else socket.setTimeout(wait);
    };
    if (this.socket) begin(this.socket);
    else this.once("socket", begin);
    return this;
  }

  _listenToTimeout() {
    if (this._timeoutCallback) return;
    this._timeoutCallback = () => this.emit("timeout");
    if (this.socket) this.socket.once("timeout", this._timeoutCallback);
    else this.on("socket", (socket) => socket.once("timeout", this._timeoutCallback));
  }

  clearTimeout(callback) {
    this.setTimeout(0, callback);
  }
  setNoDelay(on) {
    this.socket?.setNoDelay(on);
  }
  setSocketKeepAlive(on, delay) {
    this.socket?.setKeepAlive(on, delay);
  }
}

module.exports = { ClientRequest, argumentsOf };
