// fetch, as a global and as a module: whole bodies, no streams. A text crosses as it is, other bytes in base64.
({ ask }) => {
  const text = String;
  const { parse } = JSON;
  const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
  const FORM = "application/x-www-form-urlencoded;charset=UTF-8";

  const toBase64 = (bytes) => {
    let made = "";
    for (let at = 0; at < bytes.length; at += 3) {
      const three = (bytes[at] << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
      made += DIGITS[three >> 18] + DIGITS[(three >> 12) & 63];
      made += at + 1 < bytes.length ? DIGITS[(three >> 6) & 63] : "=";
      made += at + 2 < bytes.length ? DIGITS[three & 63] : "=";
    }
    return made;
  };
  const fromBase64 = (given) => {
    const end = given.endsWith("==") ? 2 : given.endsWith("=") ? 1 : 0;
    const bytes = new Uint8Array((given.length / 4) * 3 - end);
    const values = {};
    for (let digit = 0; digit < 64; digit++) values[DIGITS[digit]] = digit;
    for (let at = 0, to = 0; at < given.length; at += 4) {
      const four =
        (values[given[at]] << 18) |
        (values[given[at + 1]] << 12) |
        ((values[given[at + 2]] ?? 0) << 6) |
        (values[given[at + 3]] ?? 0);
      for (let shift = 16; shift >= 0 && to < bytes.length; shift -= 8) bytes[to++] = (four >> shift) & 255;
    }
    return bytes;
  };
  const toUtf8 = (given) => {
    const bytes = [];
    for (const one of given) {
      const point = one.codePointAt(0);
      if (point < 0x80) bytes.push(point);
      else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 63));
      else if (point >= 0xd800 && point < 0xe000) bytes.push(0xef, 0xbf, 0xbd);
      else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
      else
        bytes.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
    }
    return new Uint8Array(bytes);
  };

  const isBytes = (value) => value instanceof ArrayBuffer || ArrayBuffer.isView(value);
  const bytesOf = (value) =>
    value instanceof ArrayBuffer
      ? new Uint8Array(value)
      : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);

  const headerLines = (given) => {
    if (given === undefined || given === null) return [];
    if (typeof given !== "object") throw new TypeError("headers are an object, or a list of pairs");
    const pairs = given[Symbol.iterator] === undefined ? Object.entries(given) : [...given];
    return pairs.map(([name, value]) => {
      if (!TOKEN.test(name)) throw new TypeError(`${text(name).slice(0, 60)} is no name of a header`);
      const line = text(value).trim();
      if (/[\0\r\n]/.test(line)) throw new TypeError(`the header ${name} has a line break`);
      return [text(name), line];
    });
  };

  class ResponseHeaders {
    #lines;
    constructor(lines) {
      this.#lines = lines.map(([name, value]) => [name.toLowerCase(), value]);
    }
    get(name) {
      const wanted = text(name).toLowerCase();
      const values = this.#lines.filter(([one]) => one === wanted).map(([, value]) => value);
      return values.length ? values.join(", ") : null;
    }
    getSetCookie() {
      return this.#lines.filter(([one]) => one === "set-cookie").map(([, value]) => value);
    }
    has(name) {
      return this.get(name) !== null;
    }
    *entries() {
      for (const name of [...new Set(this.#lines.map(([one]) => one))].sort()) yield [name, this.get(name)];
    }
    *keys() {
      for (const [name] of this.entries()) yield name;
    }
    *values() {
      for (const [, value] of this.entries()) yield value;
    }
    forEach(callback, self) {
      for (const [name, value] of this.entries()) callback.call(self, value, name, this);
    }
    [Symbol.iterator]() {
      return this.entries();
    }
  }

  class Answer {
    #text; // of a body that is UTF-8
    #base64; // of another
    #lossy;
    #used = false;
    constructor(given) {
      this.#text = given.text;
      this.#base64 = given.base64;
      this.#lossy = given.lossy;
      const { status, reason, url, redirected } = given;
      const ok = status >= 200 && status <= 299;
      const headers = new ResponseHeaders(given.headers);
      Object.assign(this, { status, statusText: reason, ok, url, redirected, headers, type: "default" });
    }
    get bodyUsed() {
      return this.#used;
    }
    #use() {
      if (this.#used) throw new TypeError("the body has been read already");
      this.#used = true;
    }
    #bytes() {
      return this.#base64 === undefined ? toUtf8(this.#text) : fromBase64(this.#base64);
    }
    #whole() {
      const all = this.#text ?? this.#lossy;
      return all.charCodeAt(0) === 0xfeff ? all.slice(1) : all;
    }
    async text() {
      this.#use();
      return this.#whole();
    }
    async json() {
      this.#use();
      const { status, url } = this;
      const all = this.#whole();
      try {
        return parse(all);
      } catch (error) {
        throw new SyntaxError(`${url.split("?")[0]} answered ${status} with a body that is not JSON: ${error.message}`);
      }
    }
    async bytes() {
      this.#use();
      return this.#bytes();
    }
    async arrayBuffer() {
      this.#use();
      return this.#bytes().buffer;
    }
    clone() {
      if (this.#used) throw new TypeError("the body has been read already");
      const { status, statusText: reason, url, redirected, headers } = this;
      const given = { status, reason, url, redirected, headers: [...headers] };
      return new Answer({ ...given, text: this.#text, base64: this.#base64, lossy: this.#lossy });
    }
    async blob() {
      throw new TypeError("blob() is not available: use bytes(), text() or json()");
    }
    async formData() {
      throw new TypeError("formData() is not available: use bytes(), text() or json()");
    }
    get body() {
      throw new TypeError("body is not available as a stream: use bytes(), text() or json()");
    }
  }

  const aborted = (signal) =>
    signal.reason ?? Object.assign(new Error("the request was aborted"), { name: "AbortError" });

  const request = (input, init, from, body) => {
    const asked = { url: from ? from.url : text(input), headers: headerLines(init.headers ?? from?.headers) };
    const typed = (type) => {
      if (!asked.headers.some(([name]) => name.toLowerCase() === "content-type"))
        asked.headers.push(["Content-Type", type]);
    };
    asked.method = text(init.method ?? from?.method ?? "GET");
    if (/^(delete|get|head|options|patch|post|put)$/i.test(asked.method)) asked.method = asked.method.toUpperCase();
    if (!TOKEN.test(asked.method) || /^(connect|trace|track)$/i.test(asked.method))
      throw new TypeError(`${asked.method.slice(0, 20)} is no method of a request`);
    asked.redirect = text(init.redirect ?? from?.redirect ?? "follow");
    if (!["follow", "error", "manual"].includes(asked.redirect))
      throw new TypeError("redirect is one of follow, error, manual");
    if (body === undefined || body === null) return asked;
    if (asked.method === "GET" || asked.method === "HEAD")
      throw new TypeError(`a request of ${asked.method} has no body`);
    if (isBytes(body)) asked.base64 = toBase64(bytesOf(body));
    else {
      if (typeof body === "object" && (body[Symbol.asyncIterator] !== undefined || typeof body.toString !== "function"))
        throw new TypeError("a body is text, bytes or URLSearchParams");
      if (typeof body === "object" && body.toString === Object.prototype.toString)
        throw new TypeError("a body is text, bytes or URLSearchParams: JSON.stringify makes a text of an object");
      asked.text = text(body);
      if (body?.constructor?.name === "URLSearchParams") typed(FORM);
      else typed("text/plain;charset=UTF-8");
    }
    return asked;
  };

  const fetch = async (input, init = {}) => {
    init ??= {};
    const from = typeof input === "object" && input !== null && typeof input.url === "string" ? input : undefined;
    const failed = new TypeError("fetch failed"); // made here, where it was asked
    let body = init.body;
    if (body === undefined && from !== undefined && from.method !== "GET" && from.method !== "HEAD") {
      const bytes = await from.bytes();
      if (bytes.length) body = bytes;
    }
    const asked = request(input, init, from, body);
    const signal = init.signal ?? from?.signal;
    if (signal?.aborted) throw aborted(signal);
    let stop;
    const answered = ask("send", asked);
    const waiting = signal
      ? [answered, new Promise((_, reject) => signal.addEventListener("abort", (stop = () => reject(aborted(signal)))))]
      : [answered];
    try {
      const given = await Promise.race(waiting);
      if (given.failed !== undefined) throw Object.assign(failed, { message: `fetch failed: ${given.failed}` });
      return new Answer(given);
    } finally {
      if (stop !== undefined) signal.removeEventListener("abort", stop);
    }
  };
  Object.defineProperty(globalThis, "fetch", { value: fetch, writable: true, configurable: true });
  return fetch;
};
