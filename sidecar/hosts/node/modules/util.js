// Node's util, whose inspect and format are Node's own, taken out of it by the package of that name. To evaluate that takes as
// long as all else that an HTTP client stands on, and few runs show a value: it is done when the first is shown.
// The package looks at these then, and uses none of them; no script has them of ours.
const WANTED = { Atomics: {}, FinalizationRegistry: class {}, WeakRef: class {} };
let extracted;
const shown = () => {
  if (extracted === undefined) {
    const lacking = Object.keys(WANTED).filter((name) => !(name in globalThis));
    for (const name of lacking) globalThis[name] = WANTED[name];
    try {
      extracted = require("node-inspect-extracted");
    } finally {
      for (const name of lacking) delete globalThis[name];
    }
  }
  return extracted;
};
const { absent, checkFunction, coded, wrongType } = require("./shared/errors");
const types = require("./shared/types");
const { isDeepEqual } = require("./shared/deep");

function format(...values) {
  return shown().format(...values);
}
function formatWithOptions(options, ...values) {
  return shown().formatWithOptions(options, ...values);
}
function inspect(value, options) {
  // As many as there are: the older way has four, and what is undefined counts.
  return arguments.length < 2 ? shown().inspect(value) : shown().inspect(...arguments);
}
inspect.custom = Symbol.for("nodejs.util.inspect.custom");
const ofInspect = (name, enumerable, configurable) =>
  Object.defineProperty(inspect, name, {
    get: () => shown().inspect[name],
    set: (value) => {
      shown().inspect[name] = value;
    },
    enumerable,
    configurable,
  });
ofInspect("defaultOptions", false, false);
ofInspect("colors", true, true);
ofInspect("styles", true, true);
function stripVTControlCharacters(text) {
  return shown().stripVTControlCharacters(text);
}
const custom = Symbol.for("nodejs.util.promisify.custom");

const promisify = (original) => {
  checkFunction("original", original);
  if (original[custom]) {
    checkFunction("util.promisify.custom", original[custom]);
    return Object.defineProperty(original[custom], custom, { value: original[custom], configurable: true });
  }
  const made = function (...values) {
    return new Promise((resolve, reject) => {
      original.call(this, ...values, (error, ...results) => (error ? reject(error) : resolve(results[0])));
    });
  };
  Object.setPrototypeOf(made, Object.getPrototypeOf(original));
  Object.defineProperty(made, custom, { value: made, configurable: true });
  return Object.defineProperties(made, Object.getOwnPropertyDescriptors(original));
};
promisify.custom = custom;

const callbackify = (original) => {
  checkFunction("original", original);
  const made = function (...values) {
    const callback = values.pop();
    checkFunction("last argument", callback);
    const { nextTick } = require("process");
    Reflect.apply(original, this, values).then(
      (value) => nextTick(callback, null, value),
      (reason) => {
        const told =
          reason ||
          Object.assign(coded(Error, "ERR_FALSY_VALUE_REJECTION", "Promise was rejected with falsy value"), { reason });
        nextTick(callback, told);
      },
    );
  };
  Object.setPrototypeOf(made, Object.getPrototypeOf(original));
  return made;
};

const warned = new Set();
const deprecate = (called, message, code) => {
  let isWarned = false;
  return function (...values) {
    if (!isWarned && !(code && warned.has(code))) {
      isWarned = true;
      if (code) warned.add(code);
      require("process").emitWarning(message, "DeprecationWarning");
    }
    return new.target ? Reflect.construct(called, values, new.target) : Reflect.apply(called, this, values);
  };
};

const inherits = (constructor, superConstructor) => {
  if (constructor === undefined || constructor === null) throw wrongType("ctor", "of type function", constructor);
  if (superConstructor === undefined || superConstructor === null)
    throw wrongType("superCtor", "of type function", superConstructor);
  if (superConstructor.prototype === undefined)
    throw wrongType("superCtor.prototype", "of type object", superConstructor.prototype);
  Object.defineProperty(constructor, "super_", { value: superConstructor, writable: true, configurable: true });
  Object.setPrototypeOf(constructor.prototype, superConstructor.prototype);
};

const debuglog = () => Object.assign(() => {}, { enabled: false });
const isError = (value) => types.isNativeError(value) || value instanceof Error;

module.exports = {
  ...absent("util", ["MIMEParams", "MIMEType", "getSystemErrorMap", "parseArgs", "transferableAbortController"]),
  TextDecoder,
  TextEncoder,
  _extend: (target, source) => Object.assign(target, source),
  aborted: (signal) =>
    new Promise((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    }),
  callbackify,
  debug: debuglog,
  debuglog,
  deprecate,
  format,
  formatWithOptions,
  getSystemErrorName: (number) => ({ "-2": "ENOENT", "-17": "EEXIST" })[number] ?? `Unknown system error ${number}`,
  inherits,
  inspect,
  isArray: Array.isArray,
  isBoolean: (value) => typeof value === "boolean",
  isBuffer: (value) => require("buffer").Buffer.isBuffer(value),
  isDate: types.isDate,
  isDeepStrictEqual: (first, second) => isDeepEqual(first, second, true),
  isError,
  isFunction: (value) => typeof value === "function",
  isNull: (value) => value === null,
  isNullOrUndefined: (value) => value === null || value === undefined,
  isNumber: (value) => typeof value === "number",
  isObject: (value) => value !== null && typeof value === "object",
  isPrimitive: (value) => value === null || (typeof value !== "object" && typeof value !== "function"),
  isRegExp: types.isRegExp,
  isString: (value) => typeof value === "string",
  isSymbol: (value) => typeof value === "symbol",
  isUndefined: (value) => value === undefined,
  log: (...values) => console.log(format(...values)),
  promisify,
  stripVTControlCharacters,
  styleText: (_style, text) => text,
  toUSVString: (text) => `${text}`.toWellFormed(),
  types,
};
