// An answer of HTTP as a stream of its body.
const { Readable } = require("stream");

// Of these the first stands; what is set more than once is a list, and of all others the values are joined (Node,
// "message.headers").
const FIRST = new Set(
  `age authorization content-length content-type etag expires from host if-modified-since if-unmodified-since last-modified
   location max-forwards proxy-authorization referer retry-after server user-agent`.split(/\s+/),
);

const headersOf = (raw) => {
  const headers = {};
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index].toLowerCase();
    const value = raw[index + 1];
    const had = Object.hasOwn(headers, name) ? headers[name] : undefined;
    let made = value;
    if (name === "set-cookie") made = had === undefined ? [value] : [...had, value];
    else if (had !== undefined) made = FIRST.has(name) ? had : `${had}${name === "cookie" ? "; " : ", "}${value}`;
    headers[name] = made;
  }
  return headers;
};
const distinctOf = (raw) => {
  const headers = Object.create(null);
  for (let index = 0; index < raw.length; index += 2) (headers[raw[index].toLowerCase()] ??= []).push(raw[index + 1]);
  return headers;
};

class IncomingMessage extends Readable {
  constructor(socket) {
    super({ autoDestroy: true, highWaterMark: socket?.readableHighWaterMark });
    this.socket = socket;
    this.httpVersionMajor = this.httpVersionMinor = this.httpVersion = null;
    this.complete = false;
    this.rawHeaders = [];
    this.rawTrailers = [];
    this.joinDuplicateHeaders = false;
    this.aborted = false;
    this.upgrade = null;
    this.url = "";
    this.method = null;
    this.statusCode = this.statusMessage = null;
    this._dumped = false;
    this._headers = this._trailers = undefined;
  }

  get connection() {
    return this.socket;
  }
  set connection(socket) {
    this.socket = socket;
  }
  get headers() {
    return (this._headers ??= headersOf(this.rawHeaders));
  }
  set headers(given) {
    this._headers = given;
  }
  get headersDistinct() {
    return distinctOf(this.rawHeaders);
  }
  get trailers() {
    return (this._trailers ??= headersOf(this.rawTrailers));
  }
  set trailers(given) {
    this._trailers = given;
  }
  get trailersDistinct() {
    return distinctOf(this.rawTrailers);
  }

  setTimeout(milliseconds, callback) {
    if (callback) this.on("timeout", callback);
    this.socket.setTimeout(milliseconds);
    return this;
  }

  _read() {
    // Whoever writes here faster than it is read waits.
    if (this.socket?.readable) this.socket.resume();
  }

  _destroy(error, callback) {
    if (!this.readableEnded || !this.complete) {
      this.aborted = true;
      this.emit("aborted");
    }
    if (this.socket && !this.socket.destroyed && this.aborted) this.socket.destroy(error);
    // An answer that nobody listens to fails for nobody.
    process.nextTick(() => callback(this.listenerCount("error") > 0 ? error : null));
  }

  // Nobody wants it.
  _dump() {
    if (this._dumped) return;
    this._dumped = true;
    this.resume();
  }
}

module.exports = { IncomingMessage };
