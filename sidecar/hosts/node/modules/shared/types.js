// What a value is by what only such a one can do, whatever it says that it is.
const answers = (ask) => (value) => {
  try {
    ask(value);
    return true;
  } catch {
    return false;
  }
};
const getter = (object, name) => {
  const { get } = Object.getOwnPropertyDescriptor(object, name);
  return (value) => get.call(value);
};
const tagOf = getter(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag);
const shown = (value) => Object.prototype.toString.call(value);
const isObject = (value) => typeof value === "object" && value !== null;
const isShown = (tag) => (value) => isObject(value) && shown(value) === `[object ${tag}]`;
const boxed = (prototype) => (value) => isObject(value) && answers((one) => prototype.valueOf.call(one))(value);
const never = () => false;
const AsyncFunction = (async () => {}).constructor;
const GeneratorFunction = function* () {}.constructor;
const AsyncGeneratorFunction = async function* () {}.constructor;

const types = {
  isAnyArrayBuffer: answers(getter(ArrayBuffer.prototype, "byteLength")),
  isArgumentsObject: isShown("Arguments"),
  isArrayBuffer: answers(getter(ArrayBuffer.prototype, "byteLength")),
  isArrayBufferView: ArrayBuffer.isView,
  isAsyncFunction: (value) => value instanceof AsyncFunction || value instanceof AsyncGeneratorFunction,
  isBigIntObject: boxed(BigInt.prototype),
  isBooleanObject: boxed(Boolean.prototype),
  isBoxedPrimitive: (value) =>
    types.isNumberObject(value) ||
    types.isStringObject(value) ||
    types.isBooleanObject(value) ||
    types.isBigIntObject(value) ||
    types.isSymbolObject(value),
  isCryptoKey: (value) => value?.constructor?.name === "CryptoKey",
  isDataView: answers(getter(DataView.prototype, "byteLength")),
  isDate: answers((value) => Date.prototype.getTime.call(value)),
  isExternal: never,
  isGeneratorFunction: (value) => value instanceof GeneratorFunction || value instanceof AsyncGeneratorFunction,
  isGeneratorObject: (value) => isShown("Generator")(value) || isShown("AsyncGenerator")(value),
  isKeyObject: never,
  isMap: answers(getter(Map.prototype, "size")),
  isMapIterator: isShown("Map Iterator"),
  isModuleNamespaceObject: isShown("Module"),
  isNativeError: (value) => value instanceof Error && Object.prototype.toString.call(value) === "[object Error]",
  isNumberObject: boxed(Number.prototype),
  isPromise: (value) => value instanceof Promise,
  isProxy: never,
  isRegExp: (value) =>
    isObject(value) && answers(getter(RegExp.prototype, "source"))(value) && value !== RegExp.prototype,
  isSet: answers(getter(Set.prototype, "size")),
  isSetIterator: isShown("Set Iterator"),
  isSharedArrayBuffer: never,
  isStringObject: boxed(String.prototype),
  isSymbolObject: boxed(Symbol.prototype),
  isTypedArray: (value) => ArrayBuffer.isView(value) && !types.isDataView(value),
  isWeakMap: answers((value) => WeakMap.prototype.has.call(value, {})),
  isWeakSet: answers((value) => WeakSet.prototype.has.call(value, {})),
};
for (const Class of [
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
])
  types[`is${Class.name}`] = (value) => ArrayBuffer.isView(value) && tagOf(value) === Class.name;
module.exports = types;
