// fetch, as a global and as a module: whole bodies, no streams. A text crosses as it is, other bytes in base64.
// What is asked is a Request and what is answered a Response, as authors make them themselves.
({ ask }) => {
  const { parse } = JSON;
  const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

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

  class Answer extends Response {
    static name = "Response";
    #given;
    #body;
    constructor(given) {
      const body = given.base64 === undefined ? new TextEncoder().encode(given.text) : fromBase64(given.base64);
      super(body, { headers: given.headers });
      this.#given = given;
      this.#body = body;
    }
    // A server may answer what nobody can make: 999, or 204 with a body.
    get status() {
      return this.#given.status;
    }
    get ok() {
      return this.status >= 200 && this.status <= 299;
    }
    get statusText() {
      return this.#given.reason;
    }
    get url() {
      return this.#given.url;
    }
    get redirected() {
      return this.#given.redirected;
    }
    async json() {
      const notJson = new SyntaxError(); // made here, where it was asked
      const text = await this.text();
      const { url, status } = this;
      try {
        return parse(text);
      } catch (error) {
        notJson.message = `${url.split("?")[0]} answered ${status} with a body that is not JSON: ${error.message}`;
        throw notJson;
      }
    }
    clone() {
      if (this.bodyUsed) throw new TypeError("the body has been read already");
      return new Answer(this.#given);
    }
    get body() {
      throw new TypeError("body is not available as a stream: use bytes(), text() or json()");
    }
  }

  const asked = async (request, body) => {
    const { url, method, redirect } = request;
    const given = { url, method, redirect, headers: [...request.headers] };
    if (typeof body === "string") given.text = body;
    else {
      const bytes = await request.bytes();
      if (bytes.length) given.base64 = toBase64(bytes);
    }
    return given;
  };

  const fetch = async (input, init = {}) => {
    const failed = new TypeError("fetch failed"); // made here, where it was asked
    const request = new Request(input, init ?? {});
    const { signal } = request;
    signal.throwIfAborted();
    const answered = ask("send", await asked(request, init?.body));
    let stop;
    const given = new Promise((resolve, reject) => {
      signal.addEventListener("abort", (stop = () => reject(signal.reason)));
      answered.then(resolve, (error) => {
        error.stack = failed.stack;
        reject(error);
      });
    });
    try {
      const { failed: why, ...answer } = await given;
      if (why !== undefined) throw Object.assign(failed, { message: `fetch failed: ${why}` });
      return new Answer(answer);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  };
  Object.defineProperty(globalThis, "fetch", { value: fetch, writable: true, configurable: true });
  return fetch;
};
