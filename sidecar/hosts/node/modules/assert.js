// Node's assert: its errors have Node's code, names and operator; of values that are no primitives the message is plainer.
const { inspect } = require("util");
const { checkFunction, coded, wrongType } = require("./shared/errors");
const { isDeepEqual } = require("./shared/deep");

const SAID = {
  strictEqual: "Expected values to be strictly equal:",
  deepStrictEqual: "Expected values to be strictly deep-equal:",
  deepEqual: "Expected values to be loosely deep-equal:",
  notStrictEqual: 'Expected "actual" to be strictly unequal to:',
  notDeepStrictEqual: 'Expected "actual" not to be strictly deep-equal to:',
  notDeepEqual: 'Expected "actual" not to be loosely deep-equal to:',
};
const isPrimitive = (value) => value === null || (typeof value !== "object" && typeof value !== "function");

const messageOf = ({ actual, expected, operator }) => {
  if (operator === "==" || operator === "!=") return `${inspect(actual)} ${operator} ${inspect(expected)}`;
  if (operator === "notStrictEqual" && isPrimitive(actual)) return `${SAID[operator]} ${inspect(expected)}`;
  if (operator.startsWith("not")) return `${SAID[operator]}\n\n${inspect(expected)}\n`;
  if (operator === "strictEqual" && isPrimitive(actual) && isPrimitive(expected))
    return `${SAID[operator]}\n\n${inspect(actual)} !== ${inspect(expected)}\n`;
  return `${SAID[operator] ?? "Failed"}\n\n${inspect(actual)}\n\nshould equal\n\n${inspect(expected)}\n`;
};

class AssertionError extends Error {
  constructor(options) {
    if (options === null || typeof options !== "object") throw wrongType("options", "of type object", options);
    const { message, actual, expected, operator } = options;
    super(message === undefined ? messageOf({ actual, expected, operator: `${operator}` }) : String(message));
    this.generatedMessage = message === undefined;
    this.code = "ERR_ASSERTION";
    this.actual = actual;
    this.expected = expected;
    this.operator = operator;
    Object.defineProperty(this, "name", { value: "AssertionError", configurable: true, writable: true });
  }
}

const fail = (options) => {
  if (options.message instanceof Error) throw options.message;
  throw new AssertionError(options);
};
const compare = (operator, is) => (actual, expected, message) => {
  if (!is(actual, expected)) fail({ actual, expected, message, operator });
};
const ok = (...values) => {
  const [value, message] = values;
  if (value) return;
  const none = values.length === 0 ? "No value argument passed to `assert.ok()`" : undefined;
  fail({
    actual: value,
    expected: true,
    message: message ?? none ?? "The expression evaluated to a falsy value",
    operator: "==",
  });
};
const assert = (...values) => ok(...values);

const NONE = Symbol("none");
const isExpected = (thrown, expected, message, operator) => {
  if (expected === undefined) return;
  if (typeof expected === "function") {
    if (expected.prototype !== undefined && thrown instanceof expected) return;
    if (Error.isPrototypeOf(expected)) {
      const is =
        thrown instanceof Error
          ? `"${thrown.constructor?.name ?? thrown.name}"`
          : `"${inspect(thrown, { depth: -1 })}"`;
      const said = `The error is expected to be an instance of "${expected.name}". Received ${is}`;
      const told = thrown?.message ? `\n\nError message:\n\n${thrown.message}` : "";
      fail({ actual: thrown, expected, message: message ?? said + told, operator });
    }
    const answer = expected.call({}, thrown);
    if (answer === true) return;
    fail({
      actual: thrown,
      expected,
      message: message ?? 'The validation function is expected to return "true". Received ' + inspect(answer),
      operator,
    });
  }
  if (expected instanceof RegExp) {
    if (expected.test(String(thrown))) return;
    fail({
      actual: thrown,
      expected,
      message:
        message ??
        `The input did not match the regular expression ${inspect(expected)}. Input:\n\n${inspect(String(thrown))}\n`,
      operator,
    });
  }
  const keys = Object.keys(expected);
  if (expected instanceof Error) keys.push("name", "message");
  for (const key of keys) {
    const is =
      expected[key] instanceof RegExp && typeof thrown[key] === "string"
        ? expected[key].test(thrown[key])
        : isDeepEqual(thrown[key], expected[key], true);
    if (!is) fail({ actual: thrown, expected, message, operator: operator === "throws" ? "throws" : operator });
  }
};
const sorted = (expected, message) => (typeof expected === "string" ? [undefined, expected] : [expected, message]);
const missing = (expected, message, kind, operator) =>
  fail({
    actual: undefined,
    expected,
    message: `Missing expected ${kind}${expected?.name ? ` (${expected.name}).` : message === undefined ? "." : `: ${message}`}`,
    operator,
  });
const unwanted = (thrown, expected, message, kind, operator) =>
  fail({
    actual: thrown,
    expected,
    message: `Got unwanted ${kind}${message === undefined ? "." : `: ${message}`}\nActual message: "${thrown?.message}"`,
    operator,
  });
const caught = (called) => {
  checkFunction("fn", called);
  try {
    called();
  } catch (error) {
    return error;
  }
  return NONE;
};
const rejected = async (given) => {
  let promise = given;
  if (typeof given === "function") {
    promise = given();
    if (typeof promise?.then !== "function")
      throw coded(
        TypeError,
        "ERR_INVALID_RETURN_VALUE",
        'Expected instance of Promise to be returned from the "promiseFn" function but got ' +
          `type ${typeof promise}.`,
      );
  } else if (typeof given?.then !== "function") {
    throw wrongType("promiseFn", "of type function or an instance of Promise", given);
  }
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return NONE;
};
const matching = (operator, wanted) => (text, pattern, message) => {
  if (!(pattern instanceof RegExp)) throw wrongType("regexp", "an instance of RegExp", pattern);
  if (typeof text === "string" && pattern.test(text) === wanted) return;
  const said =
    typeof text === "string"
      ? `The input ${wanted ? "did not match" : "was expected to not match"} the regular expression ${inspect(pattern)}. Input:\n\n${inspect(text)}\n`
      : `The "string" argument must be of type string. Received type ${typeof text} (${inspect(text)})`;
  fail({ actual: text, expected: pattern, message: message ?? said, operator });
};

Object.assign(assert, {
  AssertionError,
  ok,
  equal: compare("==", (first, second) => first == second || (Number.isNaN(first) && Number.isNaN(second))), // eslint-disable-line eqeqeq
  notEqual: compare("!=", (first, second) => first != second && !(Number.isNaN(first) && Number.isNaN(second))), // eslint-disable-line eqeqeq
  strictEqual: compare("strictEqual", Object.is),
  notStrictEqual: compare("notStrictEqual", (first, second) => !Object.is(first, second)),
  deepEqual: compare("deepEqual", (first, second) => isDeepEqual(first, second, false)),
  notDeepEqual: compare("notDeepEqual", (first, second) => !isDeepEqual(first, second, false)),
  deepStrictEqual: compare("deepStrictEqual", (first, second) => isDeepEqual(first, second, true)),
  notDeepStrictEqual: compare("notDeepStrictEqual", (first, second) => !isDeepEqual(first, second, true)),
  match: matching("match", true),
  doesNotMatch: matching("doesNotMatch", false),
  fail(message = "Failed") {
    fail({ message, operator: "fail" });
  },
  ifError(value) {
    if (value === null || value === undefined) return;
    const message = `ifError got unwanted exception: ${value?.message ?? inspect(value)}`;
    throw new AssertionError({ actual: value, expected: null, message, operator: "ifError" });
  },
  throws(called, ...more) {
    const thrown = caught(called);
    const [expected, message] = sorted(...more);
    if (thrown === NONE) missing(expected, message, "exception", "throws");
    isExpected(thrown, expected, message, "throws");
  },
  doesNotThrow(called, ...more) {
    const thrown = caught(called);
    const [expected, message] = sorted(...more);
    if (thrown === NONE) return;
    if (typeof expected === "function" && !(thrown instanceof expected)) throw thrown;
    unwanted(thrown, expected, message, "exception", "doesNotThrow");
  },
  async rejects(promise, ...more) {
    const thrown = await rejected(promise);
    const [expected, message] = sorted(...more);
    if (thrown === NONE) missing(expected, message, "rejection", "rejects");
    isExpected(thrown, expected, message, "rejects");
  },
  async doesNotReject(promise, ...more) {
    const thrown = await rejected(promise);
    const [expected, message] = sorted(...more);
    if (thrown !== NONE) unwanted(thrown, expected, message, "rejection", "doesNotReject");
  },
});
const strict = Object.assign((...values) => ok(...values), assert, {
  equal: assert.strictEqual,
  notEqual: assert.notStrictEqual,
  deepEqual: assert.deepStrictEqual,
  notDeepEqual: assert.notDeepStrictEqual,
});
strict.strict = assert.strict = strict;
module.exports = assert;
