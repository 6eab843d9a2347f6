// fake(name, implementation): a module of the host that the test plays. A script's side of it is faked_module.js; what it
// is told of a value is {value}, {object: {name: ...}} where there are functions in it, and {function: number} for one.
let fakes = new Map();
let lent = [];
const KEEPERS = ["cxKV", "cxUserspace", "cxPubSub", "environment"]; // modules that a test has anyway

const hasFunctions = (value, depth = 0) =>
  typeof value === "function" ||
  (isPlain(value) && depth < DEEP && Object.values(value).some((one) => hasFunctions(one, depth + 1)));

const lend = (value) => {
  if (typeof value === "function") {
    lent.push(value);
    const described = { function: lent.length - 1 };
    const own = Object.entries(value).filter(([name]) => name !== "mock" && !name.startsWith("mock"));
    if (own.length) described.object = Object.fromEntries(own.map(([name, one]) => [name, lend(one)]));
    return described;
  }
  if (!hasFunctions(value)) return { value: value === undefined ? null : value };
  const object = {};
  for (const name of Object.keys(value)) {
    const one = value[name];
    object[name] = lend(typeof one === "function" ? Object.assign((...values) => value[name](...values), one) : one);
  }
  return { object };
};

const answerFake = async ({ function: number, values }) => {
  try {
    return [true, lend(await lent[number](...values))];
  } catch (error) {
    const { name = "Error", message = shown(error) } = error ?? {};
    return [false, { ...(isPlain(error) || error instanceof Error ? plainOf(error) : {}), name, message }];
  }
};
const plainOf = (error) => JSON.parse(JSON.stringify({ ...error }));

// Functions that are none of fn()'s become such, in place, so that a test may ask how they were called.
const watched = (value, depth = 0) => {
  if (typeof value === "function") return value.mock ? value : Object.assign(fn(value), value);
  if (!isPlain(value) || depth > DEEP) return value;
  for (const name of Object.keys(value)) value[name] = watched(value[name], depth + 1);
  return value;
};
const copied = (value) =>
  isPlain(value) ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, copied(one)])) : value;

// ---- fetch: what a script asks comes as (url, init), and what is answered goes as {status, reason, headers, bytes or text} ----

const ANSWER = ["status", "statusText", "headers", "body"];
const answered = async (given) => {
  if (typeof given === "string") return { status: 200, reason: "", headers: [], text: given };
  if (typeof Response === "function" && given instanceof Response) {
    const { status, statusText: reason, headers } = given;
    return { status, reason, headers: [...headers], bytes: Array.from(await given.bytes()) };
  }
  if (!isPlain(given) || !Object.keys(given).every((name) => ANSWER.includes(name)))
    throw new TypeError(
      `fake('fetch') gave ${show(given)}: it gives a Response, an object {status, headers, body}, or a text`,
    );
  const { status = 200, statusText: reason = "", headers = {}, body = "" } = given;
  const told = { status, reason, headers: Object.entries(headers).map(([name, value]) => [name, String(value)]) };
  if (typeof body === "string") return { ...told, text: body };
  if (body instanceof Uint8Array) return { ...told, bytes: Array.from(body) };
  if (!told.headers.some(([name]) => name.toLowerCase() === "content-type"))
    told.headers.push(["content-type", "application/json"]);
  return { ...told, text: JSON.stringify(body) };
};
const playedFetch =
  (made) =>
  async ({ url, bytes, ...init }) =>
    await answered(await made(url, bytes === undefined ? init : { ...init, body: Uint8Array.from(bytes) }));

const fake = (name, implementation) => {
  if (typeof name !== "string" || !/^[^."'`\\]{1,100}$/.test(name))
    throw new TypeError("fake(name, implementation): a module's name");
  if (implementation === undefined && !KEEPERS.includes(name))
    throw new TypeError(`fake('${name}', {...}): what it does is to be said; by themselves there are ${KEEPERS}`);
  if (name === "fetch" && typeof implementation !== "function")
    throw new TypeError("fake('fetch', (url, init) => ...): it is a function");
  const made = watched(implementation ?? copied(globalThis.require(name)));
  fakes.set(name, made);
  return made;
};
const lendFakes = () => {
  lent = [];
  return Object.fromEntries(
    [...fakes].map(([name, made]) => [name, lend(name === "fetch" ? playedFetch(made) : made)]),
  );
};
