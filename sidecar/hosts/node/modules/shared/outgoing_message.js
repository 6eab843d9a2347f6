// What is sent over HTTP: a head, made when the first of the body comes or its end, and the body behind it.
const { Stream } = require("stream");
const { Buffer } = require("buffer");
const { TOKEN } = require("./http_parser");
const { coded, wrongType } = require("./errors");

const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const HIGH_WATER_MARK = 16384;

const validateHeaderName = (name, label = "Header name") => {
  if (typeof name === "string" && TOKEN.test(name)) return;
  throw coded(TypeError, "ERR_INVALID_HTTP_TOKEN", `${label} must be a valid HTTP token ["${name}"]`);
};
const validateHeaderValue = (name, value) => {
  if (value === undefined)
    throw coded(TypeError, "ERR_HTTP_INVALID_HEADER_VALUE", `Invalid value "${value}" for header "${name}"`);
  if (NO_VALUE.test(`${value}`))
    throw coded(TypeError, "ERR_INVALID_CHAR", `Invalid character in header content ["${name}"]`);
};
const sent = (what) =>
  coded(Error, "ERR_HTTP_HEADERS_SENT", `Cannot ${what} headers after they are sent to the client`);
const asBytes = (chunk, encoding) => (typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk);

class OutgoingMessage extends Stream {
  constructor(options = {}) {
    super();
    this.outputData = []; // what waits for a socket: { data, encoding, callback }
    this.outputSize = 0;
    this.writable = true;
    this.destroyed = false;
    this.chunkedEncoding = false;
    this.shouldKeepAlive = true;
    this.maxRequestsOnConnectionReached = false;
    this.useChunkedEncodingByDefault = true;
    this.sendDate = false;
    this.finished = false;
    this.socket = null;
    this._last = false;
    this._removedConnection = this._removedContLen = this._removedTE = false;
    this._contentLength = null;
    this._hasBody = true;
    this._trailer = "";
    this._header = null;
    this._headerSent = false;
    this._closed = false;
    this._needsDrain = false;
    this._error = null;
    this._outHeaders = new Map(); // by the name in small letters: [name, value]
    this._highWaterMark = options.highWaterMark ?? HIGH_WATER_MARK;
  }

  // ---- headers ----

  setHeader(name, value) {
    if (this._header) throw sent("set");
    validateHeaderName(name);
    for (const one of Array.isArray(value) ? value : [value]) validateHeaderValue(name, one);
    this._outHeaders.set(name.toLowerCase(), [name, value]);
    return this;
  }
  setHeaders(headers) {
    if (this._header) throw sent("set");
    for (const [name, value] of headers) this.setHeader(name, value);
    return this;
  }
  appendHeader(name, value) {
    const had = this.getHeader(name);
    return this.setHeader(name, had === undefined ? value : [had, value].flat());
  }
  getHeader(name) {
    return this._outHeaders.get(this._named(name))?.[1];
  }
  hasHeader(name) {
    return this._outHeaders.has(this._named(name));
  }
  removeHeader(name) {
    const key = this._named(name);
    if (this._header) throw sent("remove");
    this._outHeaders.delete(key);
    if (key === "connection") this._removedConnection = true;
    if (key === "content-length") this._removedContLen = true;
    if (key === "transfer-encoding") this._removedTE = true;
  }
  _named(name) {
    if (typeof name !== "string") throw wrongType("name", "of type string", name);
    return name.toLowerCase();
  }
  getHeaderNames() {
    return [...this._outHeaders.keys()];
  }
  getRawHeaderNames() {
    return [...this._outHeaders.values()].map(([name]) => name);
  }
  getHeaders() {
    const headers = Object.create(null);
    for (const [name, [, value]] of this._outHeaders) headers[name] = value;
    return headers;
  }
  get headersSent() {
    return Boolean(this._header);
  }
  addTrailers(headers) {
    for (const [name, value] of Array.isArray(headers) ? headers : Object.entries(headers)) {
      validateHeaderName(name, "Trailer name");
      if (NO_VALUE.test(`${value}`))
        throw coded(TypeError, "ERR_INVALID_CHAR", `Invalid character in trailer content ["${name}"]`);
      this._trailer += `${name}: ${value}\r\n`;
    }
  }
  flushHeaders() {
    if (!this._header) this._implicitHeader();
    this._send("");
  }

  // The head as it is sent, of the first line and [name, value] pairs: what frames the body is added.
  _storeHeader(firstLine, headers) {
    let header = firstLine;
    const seen = { connection: false, length: false, coding: false, expect: false, trailer: false };
    const add = (name, value) => {
      header += `${name}: ${value}\r\n`;
      switch (name.toLowerCase()) {
        case "connection":
          seen.connection = true;
          if (/(?:^|\W)close(?:$|\W)/i.test(value)) this._last = true;
          else this.shouldKeepAlive = true;
          break;
        case "transfer-encoding":
          seen.coding = true;
          if (/(?:^|\W)chunked(?:$|\W)/i.test(value)) this.chunkedEncoding = true;
          break;
        case "content-length":
          seen.length = true;
          this._contentLength = +value;
          break;
        case "expect":
          seen.expect = true;
          break;
        case "trailer":
          seen.trailer = true;
      }
    };
    for (const [name, value] of headers) {
      if (!Array.isArray(value)) add(name, value);
      else if (value.length > 1 && name.toLowerCase() === "cookie") add(name, value.join("; "));
      else for (const one of value) add(name, one);
    }
    if (!seen.connection) {
      if (this._removedConnection) this.shouldKeepAlive = false;
      else if (this.shouldKeepAlive && (seen.length || this.useChunkedEncodingByDefault || this.agent))
        header += "Connection: keep-alive\r\n";
      else {
        this._last = true;
        header += "Connection: close\r\n";
      }
    }
    if (!seen.length && !seen.coding) {
      if (!this._hasBody) this.chunkedEncoding = false;
      else if (!this.useChunkedEncodingByDefault) this._last = true;
      else if (!seen.trailer && !this._removedContLen && typeof this._contentLength === "number")
        header += `Content-Length: ${this._contentLength}\r\n`;
      else if (!this._removedTE) {
        header += "Transfer-Encoding: chunked\r\n";
        this.chunkedEncoding = true;
      }
    }
    if (this.chunkedEncoding !== true && seen.trailer)
      throw coded(Error, "ERR_HTTP_TRAILER_INVALID", "Trailers are invalid with this transfer encoding");
    this._header = `${header}\r\n`;
    this._headerSent = false;
    // The body waits for an answer to it.
    if (seen.expect) this._send("");
  }

  // ---- the body ----

  write(chunk, given, called) {
    const [encoding, callback] = typeof given === "function" ? [undefined, given] : [given, called];
    return this._writeBody(chunk, encoding, callback, false);
  }

  _writeBody(chunk, encoding, callback = () => {}, isLast) {
    if (chunk === null) throw coded(TypeError, "ERR_STREAM_NULL_VALUES", "May not write null values to stream");
    if (typeof chunk !== "string" && !(chunk instanceof Uint8Array))
      throw wrongType("chunk", "of type string or an instance of Buffer or Uint8Array", chunk);
    const error = this.finished
      ? coded(Error, "ERR_STREAM_WRITE_AFTER_END", "write after end")
      : this.destroyed
        ? coded(Error, "ERR_STREAM_DESTROYED", "Cannot call write after a stream was destroyed")
        : undefined;
    if (error !== undefined) {
      process.nextTick(() => {
        callback(error);
        if (!this.destroyed) this.emit("error", error);
      });
      return false;
    }
    const bytes = asBytes(chunk, encoding);
    if (!this._header) {
      if (isLast) this._contentLength = bytes.length;
      this._implicitHeader();
    }
    if (!this._hasBody) {
      process.nextTick(callback);
      return true;
    }
    if (!isLast && this.socket && !this.socket.writableCorked) {
      const { socket } = this;
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    let room;
    if (this.chunkedEncoding && bytes.length) {
      this._send(`${bytes.length.toString(16)}\r\n`, "latin1");
      this._send(chunk, encoding);
      room = this._send("\r\n", "latin1", callback);
    } else room = this._send(chunk, encoding, callback);
    if (!room) this._needsDrain = true;
    return room;
  }

  end(first, given, called) {
    let [chunk, encoding, callback] = [first, given, called];
    if (typeof chunk === "function") [chunk, encoding, callback] = [undefined, undefined, chunk];
    else if (typeof encoding === "function") [encoding, callback] = [undefined, encoding];
    if (this.finished) {
      const error =
        chunk === undefined || chunk === null
          ? coded(Error, "ERR_STREAM_ALREADY_FINISHED", "Cannot call end after a stream was finished")
          : coded(Error, "ERR_STREAM_WRITE_AFTER_END", "write after end");
      if (typeof callback === "function") process.nextTick(() => callback(error));
      else if (chunk) process.nextTick(() => this.emit("error", error));
      return this;
    }
    const socket = this.socket;
    socket?.cork();
    if (chunk !== undefined && chunk !== null) this._writeBody(chunk, encoding, undefined, true);
    else if (!this._header) {
      this._contentLength = 0;
      this._implicitHeader();
    }
    if (typeof callback === "function") this.once("finish", callback);
    const finish = () => this.emit("finish");
    if (this._hasBody && this.chunkedEncoding) this._send(`0\r\n${this._trailer}\r\n`, "latin1", finish);
    else if (!this._headerSent || this.writableLength || chunk) this._send("", "latin1", finish);
    else process.nextTick(finish);
    socket?.uncork();
    this.finished = true;
    if (this.outputData.length === 0 && this.socket?._httpMessage === this) this._finish();
    return this;
  }

  _finish() {
    this.emit("prefinish");
  }

  // The head goes with the first of the body.
  _send(data, encoding, callback) {
    if (this._headerSent) return this._writeRaw(data, encoding, callback);
    this._headerSent = true;
    if (typeof data === "string" && (encoding === "utf8" || encoding === "latin1" || !encoding))
      return this._writeRaw(this._header + data, encoding ?? "utf8", callback);
    const head = { data: this._header, encoding: "latin1", callback: null };
    if (this._canWrite()) this.socket.write(head.data, head.encoding);
    else {
      this.outputData.unshift(head);
      this.outputSize += head.data.length;
      this._onPendingData(head.data.length);
    }
    return this._writeRaw(data, encoding, callback);
  }

  _canWrite() {
    return this.socket && this.socket._httpMessage === this && this.socket.writable;
  }

  _writeRaw(data, encoding, callback) {
    if (this.socket?.destroyed) return false;
    if (this._canWrite()) {
      if (this.outputData.length) this._flushOutput(this.socket);
      return this.socket.write(data, encoding, callback);
    }
    this.outputData.push({ data, encoding, callback });
    this.outputSize += data.length;
    this._onPendingData(data.length);
    return this.outputSize < this._highWaterMark;
  }

  _onPendingData() {}

  _flush() {
    if (!this.socket?.writable) return;
    const written = this._flushOutput(this.socket);
    if (this.finished) this._finish();
    else if (written && this._needsDrain) {
      this._needsDrain = false;
      this.emit("drain");
    }
  }

  _flushOutput(socket) {
    if (this.outputData.length === 0) return true;
    const waiting = this.outputData;
    this.outputData = [];
    this._onPendingData(-this.outputSize);
    this.outputSize = 0;
    socket.cork();
    let room = true;
    for (const { data, encoding, callback } of waiting) room = socket.write(data, encoding, callback ?? undefined);
    socket.uncork();
    return room;
  }

  // ---- what streams are asked ----

  get _headers() {
    return this.getHeaders();
  }
  get connection() {
    return this.socket;
  }
  set connection(socket) {
    this.socket = socket;
  }
  get errored() {
    return this._error;
  }
  get closed() {
    return this._closed;
  }
  get writableEnded() {
    return this.finished;
  }
  get writableFinished() {
    return this.finished && this.outputSize === 0 && (!this.socket || this.socket.writableLength === 0);
  }
  get writableObjectMode() {
    return false;
  }
  get writableLength() {
    return this.outputSize + (this.socket?.writableLength ?? 0);
  }
  get writableHighWaterMark() {
    return this.socket ? this.socket.writableHighWaterMark : this._highWaterMark;
  }
  get writableCorked() {
    return this.socket ? this.socket.writableCorked : 0;
  }
  get writableNeedDrain() {
    return !this.destroyed && !this.finished && this._needsDrain;
  }
  cork() {
    this.socket?.cork();
  }
  uncork() {
    this.socket?.uncork();
  }
  pipe() {
    this.emit("error", coded(Error, "ERR_STREAM_CANNOT_PIPE", "Cannot pipe, not readable"));
  }
  setTimeout(milliseconds, callback) {
    if (callback) this.on("timeout", callback);
    if (this.socket) this.socket.setTimeout(milliseconds);
    else this.once("socket", (socket) => socket.setTimeout(milliseconds));
    return this;
  }
  destroy(error) {
    if (this.destroyed) return this;
    this.destroyed = true;
    this._error = error ?? null;
    if (this.socket) this.socket.destroy(error);
    else this.once("socket", (socket) => socket.destroy(error));
    return this;
  }
}

module.exports = { OutgoingMessage, validateHeaderName, validateHeaderValue };
