// structuredClone (HTML, 2.7).
const ERRORS = [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError];
const isA = (Class, value) => {
  // By what a value is inside: its prototype may be anything.
  try {
    return (Class(value), true);
  } catch {
    return false;
  }
};
const reading = (Class, name) => {
  const { get } = Object.getOwnPropertyDescriptor(Class.prototype, name);
  return (value) => Reflect.apply(get, value, []);
};
const calling = (method) => (value) => Reflect.apply(method, value, []);
const timeOf = calling(Date.prototype.getTime);
const mapSize = reading(Map, "size");
const setSize = reading(Set, "size");
const patternOf = reading(RegExp, "source");
const flagsOf = reading(RegExp, "flags");
const bufferSize = reading(ArrayBuffer, "byteLength");
const sourceOf = (value) => {
  // Of RegExp.prototype and of other objects too: only one with a last place is one.
  if (Object.getOwnPropertyDescriptor(value, "lastIndex") === undefined) throw new TypeError("no regular expression");
  return patternOf(value);
};
const PRIMITIVES = [Boolean, Number, String, BigInt].map((Class) => calling(Class.prototype.valueOf));
const { isView } = ArrayBuffer;

const structuredClone = (value, { transfer = [] } = {}) => {
  const made = new Map();
  const moved = [...transfer];
  for (const one of moved)
    if (!isA(bufferSize, one)) throw failed("only an ArrayBuffer can be transferred", "DataCloneError");
  const waiting = []; // what is to be filled, since a text may be nested deeper than calls may be
  const keep = (from, to) => {
    made.set(from, to);
    return to;
  };
  const copiedSpecial = (from) => {
    if (isA(timeOf, from)) return keep(from, new Date(timeOf(from)));
    if (isA(sourceOf, from)) return keep(from, new RegExp(patternOf(from), flagsOf(from)));
    if (isA(bufferSize, from)) {
      if (from.detached) throw failed("the ArrayBuffer is detached", "DataCloneError");
      return keep(from, from.slice(0));
    }
    if (isView(from)) {
      const buffer = copied(from.buffer);
      const Class = from instanceof DataView ? DataView : VIEWS[Object.prototype.toString.call(from).slice(8, -1)];
      return keep(from, new Class(buffer, from.byteOffset, from.length ?? from.byteLength));
    }
    for (const valueOf of PRIMITIVES) if (isA(valueOf, from)) return keep(from, Object(valueOf(from)));
    if (isA(mapSize, from)) {
      const entries = [...Map.prototype.entries.call(from)];
      const to = keep(from, new Map());
      waiting.push(() => entries.forEach(([key, each]) => to.set(copied(key), copied(each))));
      return to;
    }
    if (isA(setSize, from)) {
      const values = [...Set.prototype.values.call(from)];
      const to = keep(from, new Set());
      waiting.push(() => values.forEach((each) => to.add(copied(each))));
      return to;
    }
    if (Error.isError(from)) {
      const Class = ERRORS.find((one) => one.name === from.name) ?? Error;
      const to = keep(from, new Class(String(from.message)));
      to.stack = from.stack;
      if ("cause" in from) waiting.push(() => (to.cause = copied(from.cause)));
      return to;
    }
    return undefined;
  };
  const copied = (from) => {
    if (typeof from === "function" || typeof from === "symbol")
      throw failed(`a ${typeof from} cannot be cloned`, "DataCloneError");
    if (typeof from !== "object" || from === null) return from;
    if (made.has(from)) return made.get(from);
    const special = PLAIN.has(Object.getPrototypeOf(from)) ? undefined : copiedSpecial(from);
    if (special !== undefined) return special;
    const tag = Object.prototype.toString.call(from);
    if (PLATFORM.has(tag)) throw failed(`${tag.slice(8, -1)} cannot be cloned`, "DataCloneError");
    const to = keep(from, Array.isArray(from) ? new Array(from.length) : {});
    waiting.push(() => {
      for (const key of Object.keys(from))
        Object.defineProperty(to, key, {
          value: copied(from[key]),
          writable: true,
          enumerable: true,
          configurable: true,
        });
    });
    return to;
  };
  for (const one of moved) made.set(one, one.slice(0));
  const result = copied(value);
  while (waiting.length) waiting.pop()();
  for (const one of moved) one.transfer();
  return result;
};
const VIEWS = {
  __proto__: null,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
};
if (typeof Float16Array === "function") VIEWS.Float16Array = Float16Array;
// Of one of these prototypes hardly anything is more than it looks like, and to ask costs ten times what a copy does.
const PLAIN = new Set([Object.prototype, Array.prototype, null]);
const PLATFORM = new Set(["[object Promise]", "[object WeakMap]", "[object WeakSet]", "[object Generator]"]);
found.structuredClone = (value, options) => structuredClone(value, options);
Object.defineProperty(found.structuredClone, "name", { value: "structuredClone", configurable: true });
