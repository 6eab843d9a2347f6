// URLSearchParams and URL.
const formEncoded = (text) => percentEncoded(text, FORM.replace(" ", "")).replaceAll(" ", "+");
const formDecoded = (text) => fromUtf8(percentDecoded(text.replaceAll("+", " ")));
const parseForm = (text) =>
  text
    .split("&")
    .filter((part) => part !== "")
    .map((part) => {
      const equals = part.indexOf("=");
      return equals < 0 ? [part, ""] : [part.slice(0, equals), part.slice(equals + 1)];
    })
    .map((pair) => pair.map(formDecoded));
const formText = (pairs) => pairs.map(([name, value]) => `${formEncoded(name)}=${formEncoded(value)}`).join("&");

let changedBy; // of a URL: has its query follow its parameters
let replacePairs; // of parameters: has them follow the query

class URLSearchParams {
  #pairs = [];
  #changed = () => {};

  static {
    changedBy = (params, changed) => {
      params.#changed = changed;
    };
    replacePairs = (params, text) => {
      params.#pairs = parseForm(text);
    };
  }

  constructor(init = "") {
    if (typeof init === "object" && init !== null) {
      if (init[Symbol.iterator] !== undefined)
        for (const pair of init) {
          const both = [...pair];
          if (both.length !== 2) throw new TypeError("each of the parameters is a name and a value");
          this.#pairs.push(both.map(usv));
        }
      else
        for (const name of Reflect.ownKeys(init))
          if (typeof name === "string" && Object.getOwnPropertyDescriptor(init, name)?.enumerable)
            this.#pairs.push([usv(name), usv(init[name])]);
    } else {
      const text = usv(init);
      this.#pairs = parseForm(text.startsWith("?") ? text.slice(1) : text);
    }
  }
  get size() {
    return this.#pairs.length;
  }
  append(name, value) {
    needs(2, arguments.length, "append");
    this.#pairs.push([usv(name), usv(value)]);
    this.#changed();
  }
  delete(name, value) {
    needs(1, arguments.length, "delete");
    const [wanted, only] = [usv(name), value === undefined ? undefined : usv(value)];
    this.#pairs = this.#pairs.filter(([one, other]) => one !== wanted || (only !== undefined && other !== only));
    this.#changed();
  }
  get(name) {
    needs(1, arguments.length, "get");
    const wanted = usv(name);
    return this.#pairs.find(([one]) => one === wanted)?.[1] ?? null;
  }
  getAll(name) {
    needs(1, arguments.length, "getAll");
    const wanted = usv(name);
    return this.#pairs.filter(([one]) => one === wanted).map(([, value]) => value);
  }
  has(name, value) {
    needs(1, arguments.length, "has");
    const [wanted, only] = [usv(name), value === undefined ? undefined : usv(value)];
    return this.#pairs.some(([one, other]) => one === wanted && (only === undefined || other === only));
  }
  set(name, value) {
    needs(2, arguments.length, "set");
    const [wanted, text] = [usv(name), usv(value)];
    const first = this.#pairs.findIndex(([one]) => one === wanted);
    if (first < 0) this.#pairs.push([wanted, text]);
    else {
      this.#pairs = this.#pairs.filter(([one], index) => one !== wanted || index === first);
      this.#pairs[first] = [wanted, text];
    }
    this.#changed();
  }
  sort() {
    this.#pairs.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
    this.#changed();
  }
  forEach(callback, self) {
    for (const [name, value] of this) callback.call(self, value, name, this);
  }
  *entries() {
    for (let index = 0; index < this.#pairs.length; index++) yield [...this.#pairs[index]];
  }
  *keys() {
    for (const [name] of this.entries()) yield name;
  }
  *values() {
    for (const [, value] of this.entries()) yield value;
  }
  toString() {
    return formText(this.#pairs);
  }
}
Object.defineProperty(URLSearchParams.prototype, Symbol.iterator, {
  value: URLSearchParams.prototype.entries,
  writable: true,
  configurable: true,
});

const readUrl = (text, base) => {
  const record = base === undefined ? null : parseUrl(usv(base), null);
  return record === undefined ? undefined : parseUrl(usv(text), record);
};

class URL {
  #url;
  #params;

  constructor(url, base) {
    needs(1, arguments.length, "URL");
    this.#url = readUrl(url, base);
    if (this.#url === undefined) {
      const error = new TypeError(`Invalid URL: ${String(url).slice(0, 200)}`);
      throw Object.assign(error, { code: "ERR_INVALID_URL", input: String(url) });
    }
  }
  static canParse(url, base) {
    return readUrl(url, base) !== undefined;
  }
  static parse(url, base) {
    return readUrl(url, base) === undefined ? null : new URL(url, base);
  }
  #change(text, state) {
    const copy = { ...this.#url, path: hasOpaquePath(this.#url) ? this.#url.path : [...this.#url.path] };
    parseUrl(text, null, copy, state);
    // Also of what fails in the end, as the standard has it.
    this.#url = copy;
  }
  #hasNoAuthority() {
    return !this.#url.host || this.#url.scheme === "file:";
  }
  get href() {
    return urlText(this.#url);
  }
  set href(value) {
    const record = readUrl(value);
    if (record === undefined) throw new TypeError(`Invalid URL: ${String(value).slice(0, 200)}`);
    this.#url = record;
    if (this.#params) replacePairs(this.#params, record.query ?? "");
  }
  get origin() {
    const { scheme } = this.#url;
    if (scheme === "blob:") {
      const inner = URL.parse(pathText(this.#url));
      return inner && /^https?:$/.test(inner.protocol) ? inner.origin : "null";
    }
    return isSpecial(this.#url) && scheme !== "file:" ? `${scheme}//${hostText(this.#url)}` : "null";
  }
  get protocol() {
    return this.#url.scheme;
  }
  set protocol(value) {
    this.#change(`${usv(value)}:`, "scheme start");
  }
  get username() {
    return this.#url.username;
  }
  set username(value) {
    if (!this.#hasNoAuthority()) this.#url.username = percentEncoded(usv(value), USERINFO);
  }
  get password() {
    return this.#url.password;
  }
  set password(value) {
    if (!this.#hasNoAuthority()) this.#url.password = percentEncoded(usv(value), USERINFO);
  }
  get host() {
    return hostText(this.#url);
  }
  set host(value) {
    if (!hasOpaquePath(this.#url)) this.#change(usv(value), "host");
  }
  get hostname() {
    return this.#url.host ?? "";
  }
  set hostname(value) {
    if (!hasOpaquePath(this.#url)) this.#change(usv(value), "hostname");
  }
  get port() {
    return this.#url.port === null ? "" : String(this.#url.port);
  }
  set port(value) {
    if (this.#hasNoAuthority()) return;
    const text = usv(value);
    if (text === "") this.#url.port = null;
    else this.#change(text, "port");
  }
  get pathname() {
    return pathText(this.#url);
  }
  set pathname(value) {
    if (hasOpaquePath(this.#url)) return;
    this.#url.path = [];
    this.#change(usv(value), "path start");
  }
  get search() {
    return this.#url.query ? `?${this.#url.query}` : "";
  }
  set search(value) {
    const text = usv(value);
    if (text === "") this.#url.query = null;
    else {
      this.#url.query = "";
      this.#change(text.startsWith("?") ? text.slice(1) : text, "query");
    }
    if (this.#params) replacePairs(this.#params, this.#url.query ?? "");
  }
  get searchParams() {
    if (!this.#params) {
      this.#params = new URLSearchParams();
      replacePairs(this.#params, this.#url.query ?? "");
      changedBy(this.#params, () => {
        const text = this.#params.toString();
        this.#url.query = text === "" ? null : text;
      });
    }
    return this.#params;
  }
  get hash() {
    return this.#url.fragment ? `#${this.#url.fragment}` : "";
  }
  set hash(value) {
    const text = usv(value);
    if (text === "") this.#url.fragment = null;
    else {
      this.#url.fragment = "";
      this.#change(text.startsWith("#") ? text.slice(1) : text, "fragment");
    }
  }
  toString() {
    return this.href;
  }
  toJSON() {
    return this.href;
  }
}
for (const Class of [URL, URLSearchParams]) found[Class.name] = finish(Class);
