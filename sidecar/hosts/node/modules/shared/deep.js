// Deep equality, as assert and util have it: strict by Object.is, prototypes and kinds, else by ==.
const types = require("./types");

const ownKeys = (value) => [
  ...Object.keys(value),
  ...Object.getOwnPropertySymbols(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key)),
];
const isSame = (first, second, strict) =>
  strict ? Object.is(first, second) : first == second || (Number.isNaN(first) && Number.isNaN(second)); // eslint-disable-line eqeqeq
const KINDS = [
  "isDate",
  "isRegExp",
  "isMap",
  "isSet",
  "isArrayBufferView",
  "isAnyArrayBuffer",
  "isBoxedPrimitive",
  "isNativeError",
];

const isDeepEqual = (first, second, strict, seen = new Map()) => {
  if (first === second) return first !== 0 || !strict || Object.is(first, second);
  const areObjects = typeof first === "object" && first !== null && typeof second === "object" && second !== null;
  if (!areObjects) {
    if (strict && (typeof first === "object" || typeof second === "object")) return false;
    if ((first !== null && typeof first === "object") || (second !== null && typeof second === "object")) return false;
    return isSame(first, second, strict);
  }
  if (strict && Object.getPrototypeOf(first) !== Object.getPrototypeOf(second)) return false;
  if (Array.isArray(first) !== Array.isArray(second) || (Array.isArray(first) && first.length !== second.length))
    return false;
  if (Object.prototype.toString.call(first) !== Object.prototype.toString.call(second)) return false;
  for (const kind of KINDS) if (types[kind](first) !== types[kind](second)) return false;
  if (seen.get(first) === second) return true;
  seen.set(first, second);
  if (types.isDate(first) && Date.prototype.getTime.call(first) !== Date.prototype.getTime.call(second)) return false;
  if (types.isRegExp(first) && (String(first) !== String(second) || first.lastIndex !== second.lastIndex)) return false;
  if (types.isNativeError(first) && (first.message !== second.message || first.name !== second.name)) return false;
  if (types.isBoxedPrimitive(first) && !Object.is(first.valueOf(), second.valueOf())) return false;
  if (types.isAnyArrayBuffer(first) && !isDeepEqual(new Uint8Array(first), new Uint8Array(second), strict))
    return false;
  if (types.isMap(first))
    return areEqualMaps(first, second, strict, seen) && haveEqualProperties(first, second, strict, seen);
  if (types.isSet(first))
    return areEqualSets(first, second, strict, seen) && haveEqualProperties(first, second, strict, seen);
  return haveEqualProperties(first, second, strict, seen);
};

const haveEqualProperties = (first, second, strict, seen) => {
  const keys = strict ? ownKeys(first) : Object.keys(first);
  const others = strict ? ownKeys(second) : Object.keys(second);
  return (
    keys.length === others.length &&
    keys.every((key) => Object.prototype.propertyIsEnumerable.call(second, key)) &&
    keys.every((key) => isDeepEqual(first[key], second[key], strict, seen))
  );
};
const areEqualSets = (first, second, strict, seen) => {
  if (first.size !== second.size) return false;
  const left = [...second].filter((one) => !first.has(one));
  for (const one of first) {
    if (second.has(one)) continue;
    const at = left.findIndex((other) => isDeepEqual(one, other, strict, seen));
    if (at < 0) return false;
    left.splice(at, 1);
  }
  return true;
};
const areEqualMaps = (first, second, strict, seen) => {
  if (first.size !== second.size) return false;
  const left = [...second].filter(([key]) => !first.has(key));
  for (const [key, value] of first) {
    if (second.has(key)) {
      if (!isDeepEqual(value, second.get(key), strict, seen)) return false;
      continue;
    }
    const at = left.findIndex(
      ([other, value2]) => isDeepEqual(key, other, strict, seen) && isDeepEqual(value, value2, strict, seen),
    );
    if (at < 0) return false;
    left.splice(at, 1);
  }
  return true;
};

module.exports = { isDeepEqual };
