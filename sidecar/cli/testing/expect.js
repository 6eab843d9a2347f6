// expect(value) and its matchers, fn(), and how values are shown. What fails throws an AssertionError with the texts of
// what was expected and what was received, which whoever prints them compares.
const TEXT = 20_000; // characters of a value that are shown
const DEEP = 50;

class AssertionError extends Error {
  constructor(message, expected, received) {
    super(message);
    this.name = "AssertionError";
    this.expected = expected;
    this.received = received;
  }
}

// ---- values shown ----

const shownKey = (key) => (/^[A-Za-z_$][A-Za-z0-9_$]*$/.test(key) ? key : JSON.stringify(key));
const isMatcher = (value) => value instanceof Matcher;

const shown = (value, indent = "", within = []) => {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (Object.is(value, -0)) return "-0";
  if (typeof value === "function") return value.mock ? "[fn]" : `[Function ${value.name || "anonymous"}]`;
  if (typeof value !== "object" || value === null) return String(value);
  if (isMatcher(value)) return value.text(indent, within);
  if (within.includes(value)) return "[Circular]";
  if (within.length >= DEEP) return "[...]";
  if (value instanceof Date) return `Date ${isNaN(value) ? "invalid" : value.toISOString()}`;
  if (value instanceof RegExp) return String(value);
  if (value instanceof Error) return `[${value.name}: ${value.message}]`;
  const inner = [...within, value];
  const deeper = `${indent}  `;
  const listed = (open, parts, close) =>
    parts.length ? `${open}\n${parts.map((part) => `${deeper}${part},\n`).join("")}${indent}${close}` : open + close;
  const show = (one) => shown(one, deeper, inner);
  if (Array.isArray(value)) return listed("[", Array.from(value, show), "]");
  if (value instanceof Set) return listed("Set {", [...value].map(show), "}");
  if (value instanceof Map)
    return listed(
      "Map {",
      [...value].map(([key, one]) => `${show(key)} => ${show(one)}`),
      "}",
    );
  if (ArrayBuffer.isView(value)) return listed(`${value.constructor.name} [`, Array.from(value, show), "]");
  const name = Object.getPrototypeOf(value)?.constructor?.name ?? "Object";
  const parts = Object.keys(value)
    .sort()
    .map((key) => `${shownKey(key)}: ${show(value[key])}`);
  return listed(name === "Object" ? "{" : `${name} {`, parts, "}");
};
const show = (value) => shown(value).slice(0, TEXT);

// ---- values compared ----

// One that stands in an expected value for many.
class Matcher {
  constructor(matches, text) {
    this.matches = matches;
    this.text = text;
  }
}
const matcher = (matches, name, ...values) =>
  new Matcher(matches, (indent, within) => `${name}(${values.map((one) => shown(one, indent, within)).join(", ")})`);

const isPlain = (value) =>
  typeof value === "object" && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value));

const keysOf = (value, strict) =>
  Reflect.ownKeys(value).filter(
    (key) => Object.getOwnPropertyDescriptor(value, key).enumerable && (strict || value[key] !== undefined),
  );

// how: "equal" leaves out what is undefined, "strict" does not and looks at classes, "subset" lets objects have more.
const same = (received, expected, how, within = []) => {
  if (isMatcher(expected)) return expected.matches(received);
  if (Object.is(received, expected)) return true;
  if (typeof received !== "object" || typeof expected !== "object" || received === null || expected === null)
    return false;
  if (within.some(([one, other]) => one === received && other === expected)) return true;
  const inner = [...within, [received, expected]];
  const equal = (one, other) => same(one, other, how, inner);
  const kind = (value) => Object.prototype.toString.call(value);
  const keysMatch = (wanted) => wanted.every((key) => key in received && equal(received[key], expected[key]));
  // Whatever it is that has them: an error, say.
  if (how === "subset" && isPlain(expected) && !Array.isArray(received)) return keysMatch(keysOf(expected, false));
  if (kind(received) !== kind(expected)) return false;
  if (how === "strict" && Object.getPrototypeOf(received) !== Object.getPrototypeOf(expected)) return false;
  if (received instanceof Date) return Object.is(received.getTime(), expected.getTime());
  if (received instanceof RegExp) return String(received) === String(expected);
  if (received instanceof Error) return received.name === expected.name && received.message === expected.message;
  if (received instanceof Set)
    return received.size === expected.size && [...expected].every((one) => [...received].some((it) => equal(it, one)));
  if (received instanceof Map)
    return (
      received.size === expected.size &&
      [...expected].every(([key, one]) => [...received].some(([its, it]) => equal(its, key) && equal(it, one)))
    );
  if (Array.isArray(received) || ArrayBuffer.isView(received))
    return received.length === expected.length && Array.from(expected).every((one, at) => equal(received[at], one));
  const wanted = keysOf(expected, how === "strict");
  return keysOf(received, how === "strict").length === wanted.length && keysMatch(wanted);
};

// Of what was received the part that a subset speaks of: what else there is would drown the difference.
const part = (received, expected) => {
  if (isMatcher(expected) || typeof received !== "object" || typeof expected !== "object") return received;
  if (received === null || expected === null || Array.isArray(received) !== Array.isArray(expected)) return received;
  if (Array.isArray(received)) return received.map((one, at) => (at < expected.length ? part(one, expected[at]) : one));
  const kept = {};
  for (const key of Object.keys(expected)) if (key in received) kept[key] = part(received[key], expected[key]);
  return kept;
};

const typed = (type) => (value) => {
  const primitives = { String: "string", Number: "number", Boolean: "boolean", Function: "function", BigInt: "bigint" };
  const name = primitives[type.name];
  return value instanceof type || typeof value === name || (type === Object && typeof value === "object");
};
const asymmetric = (wanted = true) => {
  const not = wanted ? "" : "not.";
  const sometimes = (name, matches, value) =>
    matcher((received) => matches(received) === wanted, `expect.${not}${name}`, value);
  return {
    objectContaining: (value) => sometimes("objectContaining", (it) => same(it, value, "subset"), value),
    arrayContaining: (list) =>
      sometimes(
        "arrayContaining",
        (it) => Array.isArray(it) && list.every((one) => it.some((has) => same(has, one, "equal"))),
        list,
      ),
    stringContaining: (text) =>
      sometimes("stringContaining", (it) => typeof it === "string" && it.includes(text), text),
    stringMatching: (pattern) =>
      sometimes("stringMatching", (it) => typeof it === "string" && new RegExp(pattern).test(it), pattern),
  };
};

// ---- fn ----

const NEVER = Symbol("never");
const fn = (implementation) => {
  let always = implementation;
  let once = [];
  const mock = { calls: [], results: [] };
  const faked = function (...values) {
    mock.calls.push(values);
    const result = { type: "incomplete", value: undefined };
    mock.results.push(result);
    const does = once.length ? once.shift() : always;
    try {
      result.value = does === undefined ? undefined : does.apply(this, values);
      result.type = "return";
      return result.value;
    } catch (error) {
      result.type = "throw";
      result.value = error;
      throw error;
    }
  };
  const set = (does) => ((always = does), faked);
  const next = (does) => (once.push(does), faked);
  const clear = () => {
    mock.calls = [];
    mock.results = [];
    return faked;
  };
  return Object.assign(faked, {
    mock,
    mockImplementation: set,
    mockImplementationOnce: next,
    mockReturnValue: (value) => set(() => value),
    mockReturnValueOnce: (value) => next(() => value),
    mockResolvedValue: (value) => set(async () => value),
    mockResolvedValueOnce: (value) => next(async () => value),
    mockRejectedValue: (error) => set(() => Promise.reject(error)),
    mockRejectedValueOnce: (error) => next(() => Promise.reject(error)),
    mockClear: clear,
    mockReset: () => {
      always = undefined;
      once = [];
      return clear();
    },
  });
};

// ---- matchers: what each says of a received value, given as {pass, expected, received, text} ----

const said = (pass, expected, received) => ({ pass, expected, received });
const compared = (pass, words, expected, received) => said(pass, `${words} ${show(expected)}`, show(received));
const length = (value) => value?.length;
const callsOf = (value) => {
  if (value?.mock === undefined) throw new TypeError("is asked of a function that fn() or fake() made");
  return value.mock.calls;
};
const has = (received, path) => {
  const keys = Array.isArray(path) ? path : (String(path).match(/[^.[\]]+/g) ?? []);
  let value = received;
  for (const key of keys) {
    if (value === null || value === undefined || !(key in Object(value))) return { found: false };
    value = value[key];
  }
  return { found: true, value };
};
const thrownFits = (thrown, expected) => {
  const message = thrown?.message ?? thrown;
  if (expected === undefined) return true;
  if (typeof expected === "string") return String(message).includes(expected);
  if (expected instanceof RegExp) return expected.test(String(message));
  if (typeof expected === "function") return thrown instanceof expected || thrown?.name === expected.name;
  if (expected instanceof Error) return message === expected.message;
  return same(thrown, expected, "equal");
};

const MATCHERS = {
  toBe: (received, expected) => said(Object.is(received, expected), show(expected), show(received)),
  toEqual: (received, expected) => said(same(received, expected, "equal"), show(expected), show(received)),
  toStrictEqual: (received, expected) => said(same(received, expected, "strict"), show(expected), show(received)),
  toMatchObject: (received, expected) =>
    said(
      typeof received === "object" && received !== null && same(received, expected, "subset"),
      show(expected),
      show(part(received, expected)),
    ),
  toBeNull: (received) => said(received === null, "null", show(received)),
  toBeUndefined: (received) => said(received === undefined, "undefined", show(received)),
  toBeDefined: (received) => said(received !== undefined, "anything but undefined", show(received)),
  toBeNaN: (received) => said(Number.isNaN(received), "NaN", show(received)),
  toBeTruthy: (received) => said(Boolean(received), "a true value", show(received)),
  toBeFalsy: (received) => said(!received, "a false value", show(received)),
  toBeGreaterThan: (received, than) => compared(received > than, "more than", than, received),
  toBeGreaterThanOrEqual: (received, than) => compared(received >= than, "at least", than, received),
  toBeLessThan: (received, than) => compared(received < than, "less than", than, received),
  toBeLessThanOrEqual: (received, than) => compared(received <= than, "at most", than, received),
  toBeCloseTo: (received, to, digits = 2) =>
    compared(received === to || Math.abs(received - to) < 10 ** -digits / 2, "nearly", to, received),
  toBeInstanceOf: (received, type) => said(received instanceof type, `an instance of ${type.name}`, show(received)),
  toBeTypeOf: (received, type) => said(typeof received === type, `typeof ${show(type)}`, show(received)),
  toContain: (received, one) =>
    compared(
      typeof received === "string" ? received.includes(one) : Array.from(received ?? []).includes(one),
      "something with",
      one,
      received,
    ),
  toContainEqual: (received, one) =>
    compared(
      Array.from(received ?? []).some((it) => same(it, one, "equal")),
      "something with",
      one,
      received,
    ),
  toHaveLength: (received, expected) =>
    said(length(received) === expected, `length ${expected}`, `length ${length(received)} of ${show(received)}`),
  toHaveProperty: (received, path, ...expected) => {
    const { found, value } = has(received, path);
    if (expected.length === 0 || !found) return said(found, `something at ${show(path)}`, show(received));
    return said(same(value, expected[0], "equal"), show(expected[0]), show(value));
  },
  toMatch: (received, pattern) =>
    compared(
      typeof received === "string" && (pattern instanceof RegExp ? pattern.test(received) : received.includes(pattern)),
      "text that matches",
      pattern,
      received,
    ),
  toHaveBeenCalled: (received) => said(callsOf(received).length > 0, "calls", show(callsOf(received))),
  toHaveBeenCalledTimes: (received, times) =>
    said(
      callsOf(received).length === times,
      `${times} calls`,
      `${callsOf(received).length} calls: ${show(callsOf(received))}`,
    ),
  toHaveBeenCalledWith: (received, ...values) =>
    compared(
      callsOf(received).some((one) => same(one, values, "equal")),
      "a call with",
      values,
      callsOf(received),
    ),
  toHaveBeenLastCalledWith: (received, ...values) =>
    said(same(callsOf(received).at(-1), values, "equal"), show(values), show(callsOf(received).at(-1))),
  toHaveBeenNthCalledWith: (received, number, ...values) =>
    said(same(callsOf(received)[number - 1], values, "equal"), show(values), show(callsOf(received)[number - 1])),
};

const judge = (name, not, result) => {
  if (result.pass !== not) return;
  throw new AssertionError(
    `expect(...)${not ? ".not" : ""}.${name}`,
    not ? `not ${result.expected}` : result.expected,
    result.received,
  );
};

const toThrow = (not, received, promised, expected) => {
  let thrown = NEVER;
  if (promised) thrown = received;
  else {
    if (typeof received !== "function") throw new TypeError("expect(...).toThrow is asked of a function");
    try {
      received();
    } catch (error) {
      thrown = error;
    }
  }
  const what = expected === undefined ? "an error" : typeof expected === "function" ? expected.name : show(expected);
  judge(
    "toThrow",
    not,
    said(thrown !== NEVER && thrownFits(thrown, expected), what, thrown === NEVER ? "nothing thrown" : show(thrown)),
  );
};

// What is asked of it that there is not is told with what may have been meant. A promise is asked for `then`.
const known = (bound) =>
  new Proxy(bound, {
    get: (all, name) => {
      if (name in all || typeof name !== "string" || name === "then" || name === "toJSON") return all[name];
      const like = Object.keys(all).filter((one) => one.startsWith(name.slice(0, 4)));
      throw new TypeError(
        `expect(...).${name} is no matcher; there are ${(like[0] ? like : Object.keys(all)).join(", ")}`,
      );
    },
  });

const matchers = (received, not, promised) => {
  const bound = {};
  for (const [name, look] of Object.entries(MATCHERS))
    bound[name] = (...values) => judge(name, not, look(received, ...values));
  bound.toThrow = bound.toThrowError = (expected) => toThrow(not, received, promised, expected);
  return known(bound);
};

// Where the promise is waited for, the place is where expect was written.
const later = (received, not, settle) => {
  const here = new Error();
  const bound = {};
  for (const name of [...Object.keys(MATCHERS), "toThrow", "toThrowError"])
    bound[name] = async (...values) => {
      try {
        const value = await settle(received);
        matchers(value, not, true)[name](...values);
      } catch (error) {
        if (error instanceof AssertionError) error.stack = here.stack;
        throw error;
      }
    };
  return known(bound);
};
const promised = (received) => (typeof received === "function" ? received() : received);
const resolved = async (received) => {
  try {
    return await promised(received);
  } catch (error) {
    throw new AssertionError("expect(...).resolves", "a promise that resolves", `rejected with ${show(error)}`);
  }
};
const rejected = async (received) => {
  let value;
  try {
    value = await promised(received);
  } catch (error) {
    return error;
  }
  throw new AssertionError("expect(...).rejects", "a promise that rejects", `resolved with ${show(value)}`);
};

const withNot = (make) => Object.assign(make(false), { not: make(true) });
const expect = (received) => {
  const all = withNot((not) => matchers(received, not, false));
  all.resolves = withNot((not) => later(received, not, resolved));
  all.rejects = withNot((not) => later(received, not, rejected));
  return all;
};
Object.assign(expect, asymmetric(), {
  not: asymmetric(false),
  anything: () => matcher((value) => value !== null && value !== undefined, "expect.anything"),
  any: (type) => new Matcher(typed(type), () => `expect.any(${type.name})`),
});
