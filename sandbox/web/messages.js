// What HTTP is spoken in (the Fetch Standard, 2.2 and 5): headers, requests and responses. Nothing of it is sent by these.
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const headerName = (name) => {
  const text = String(name);
  if (!TOKEN.test(text)) throw new TypeError(`${text.slice(0, 60)} is no name of a header`);
  return text.toLowerCase();
};
const headerValue = (value) => {
  const text = String(value).replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "");
  if (/[\0\n\r]|[^\0-\xff]/.test(text)) throw new TypeError("a header's value has a character that it cannot have");
  return text;
};

class Headers {
  #lines = []; // [name, value]

  constructor(init) {
    if (init === undefined) return;
    if (typeof init !== "object" || init === null) throw new TypeError("headers are an object, or a list of pairs");
    if (init[Symbol.iterator] !== undefined)
      for (const pair of init) {
        const both = [...pair];
        if (both.length !== 2) throw new TypeError("each header is a name and a value");
        this.append(both[0], both[1]);
      }
    else for (const name of Object.keys(init)) this.append(name, init[name]);
  }
  append(name, value) {
    needs(2, arguments.length, "append");
    this.#lines.push([headerName(name), headerValue(value)]);
  }
  delete(name) {
    const wanted = headerName(name);
    this.#lines = this.#lines.filter(([one]) => one !== wanted);
  }
  get(name) {
    const wanted = headerName(name);
    const values = this.#lines.filter(([one]) => one === wanted).map(([, value]) => value);
    return values.length ? values.join(", ") : null;
  }
  getSetCookie() {
    return this.#lines.filter(([one]) => one === "set-cookie").map(([, value]) => value);
  }
  has(name) {
    const wanted = headerName(name);
    return this.#lines.some(([one]) => one === wanted);
  }
  set(name, value) {
    needs(2, arguments.length, "set");
    const [wanted, text] = [headerName(name), headerValue(value)];
    const place = this.#lines.findIndex(([one]) => one === wanted);
    if (place < 0) this.#lines.push([wanted, text]);
    else this.#lines = this.#lines.filter(([one], index) => one !== wanted || index === place);
    if (place >= 0) this.#lines[place] = [wanted, text];
  }
  forEach(callback, self) {
    for (const [name, value] of this) callback.call(self, value, name, this);
  }
  *entries() {
    for (const name of [...new Set(this.#lines.map(([one]) => one))].sort()) {
      if (name === "set-cookie") for (const value of this.getSetCookie()) yield [name, value];
      else yield [name, this.get(name)];
    }
  }
  *keys() {
    for (const [name] of this.entries()) yield name;
  }
  *values() {
    for (const [, value] of this.entries()) yield value;
  }
}
Object.defineProperty(Headers.prototype, Symbol.iterator, {
  value: Headers.prototype.entries,
  writable: true,
  configurable: true,
});

const FORM_TYPE = "application/x-www-form-urlencoded;charset=UTF-8";
// The bytes of a body, and what they are.
const bodyOf = (value) => {
  if (value === null || value === undefined) return { bytes: null };
  if (value instanceof URLSearchParams) return { bytes: utf8(value.toString()), type: FORM_TYPE };
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return { bytes: bytesOf(value).slice() };
  if (typeof value === "object" && value[Symbol.asyncIterator] !== undefined)
    throw new TypeError("a body is text, bytes or URLSearchParams: streams are not available");
  if (typeof value === "object" && value.toString === Object.prototype.toString)
    throw new TypeError("a body is text, bytes or URLSearchParams: JSON.stringify makes a text of an object");
  return { bytes: utf8(usv(value)), type: "text/plain;charset=UTF-8" };
};

class Body {
  #bytes = null;
  #used = false;

  constructor({ bytes }) {
    this.#bytes = bytes;
  }
  get bodyUsed() {
    return this.#used;
  }
  async bytes() {
    if (this.#used) throw new TypeError("the body has been read already");
    this.#used = this.#bytes !== null;
    return this.#bytes === null ? new Uint8Array(0) : this.#bytes.slice();
  }
  async arrayBuffer() {
    return (await this.bytes()).buffer;
  }
  async text() {
    return new TextDecoder().decode(await this.bytes());
  }
  async json() {
    return JSON.parse(await this.text());
  }
  static copied(body) {
    if (body.#used) throw new TypeError("the body has been read already");
    return body.#bytes;
  }
}
const { copied: bytesOfBody } = Body;
delete Body.copied;

const METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
const withType = (headers, type) => {
  if (type !== undefined && !headers.has("content-type")) headers.set("content-type", type);
  return headers;
};

class Request extends Body {
  #url;
  #method;
  #headers;
  #signal;
  #redirect;

  constructor(input, init = {}) {
    needs(1, arguments.length, "Request");
    const from = input instanceof Request ? input : undefined;
    const body = init.body === undefined && from ? { bytes: bytesOfBody(from) } : bodyOf(init.body);
    super(body);
    const url = new URL(from ? from.url : String(input));
    if (url.username || url.password) throw new TypeError("a request's URL has no user and no password");
    this.#url = url.href;
    const method = String(init.method ?? from?.method ?? "GET");
    if (!TOKEN.test(method) || /^(connect|trace|track)$/i.test(method))
      throw new TypeError(`${method.slice(0, 20)} is no method of a request`);
    this.#method = METHODS.includes(method.toUpperCase()) ? method.toUpperCase() : method;
    if (body.bytes !== null && (this.#method === "GET" || this.#method === "HEAD"))
      throw new TypeError(`a request of ${this.#method} has no body`);
    this.#headers = withType(new Headers(init.headers ?? from?.headers), body.type);
    this.#signal = init.signal ?? from?.signal ?? new AbortController().signal;
    if (!(this.#signal instanceof AbortSignal)) throw new TypeError("signal is no AbortSignal");
    this.#redirect = String(init.redirect ?? from?.redirect ?? "follow");
    if (!["follow", "error", "manual"].includes(this.#redirect))
      throw new TypeError("redirect is one of follow, error, manual");
  }
  get url() {
    return this.#url;
  }
  get method() {
    return this.#method;
  }
  get headers() {
    return this.#headers;
  }
  get signal() {
    return this.#signal;
  }
  get redirect() {
    return this.#redirect;
  }
  clone() {
    return new Request(this);
  }
}

const EMPTY_STATUSES = [101, 103, 204, 205, 304];

class Response extends Body {
  #status;
  #statusText;
  #headers;
  #type = "default";

  constructor(value, init = {}) {
    const body = bodyOf(value);
    super(body);
    this.#status = init.status === undefined ? 200 : Number(init.status);
    if (!Number.isInteger(this.#status) || this.#status < 200 || this.#status > 599)
      throw new RangeError("a status is a whole number from 200 to 599");
    if (body.bytes !== null && EMPTY_STATUSES.includes(this.#status))
      throw new TypeError(`a response of ${this.#status} has no body`);
    this.#statusText = String(init.statusText ?? "");
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(this.#statusText)) throw new TypeError("statusText has a control character");
    this.#headers = withType(new Headers(init.headers), body.type);
  }
  static error() {
    const made = new Response();
    made.#status = 0;
    made.#type = "error";
    return made;
  }
  static json(value, init = {}) {
    const text = JSON.stringify(value);
    if (text === undefined) throw new TypeError("the value cannot be written as JSON");
    const headers = withType(new Headers(init.headers), "application/json");
    return new Response(text, { ...init, headers });
  }
  static redirect(url, status = 302) {
    if (![301, 302, 303, 307, 308].includes(status)) throw new RangeError(`${status} is no redirection`);
    return new Response(null, { status, headers: { location: new URL(url).href } });
  }
  get status() {
    return this.#status;
  }
  get ok() {
    return this.#status >= 200 && this.#status <= 299;
  }
  get statusText() {
    return this.#statusText;
  }
  get headers() {
    return this.#headers;
  }
  get type() {
    return this.#type;
  }
  get url() {
    return "";
  }
  get redirected() {
    return false;
  }
  clone() {
    const { status, statusText, headers } = this;
    return new Response(bytesOfBody(this), { status, statusText, headers });
  }
}
for (const Class of [Request, Response])
  for (const name of ["blob", "formData"])
    Class.prototype[name] = async () => {
      throw failed(`${name}() is not available: use bytes(), text() or json()`, "NotSupportedError");
    };
found.Headers = finish(Headers);
const unavailable = (Class) =>
  ({
    [Class.name]: function () {
      const why = "is not available in a Script, which is synchronous: its body comes as a promise; make it an App";
      throw new Error(`${Class.name} ${why}`);
    },
  })[Class.name];
for (const Class of [Request, Response]) found[Class.name] = lent.waits ? finish(Class) : unavailable(Class);
