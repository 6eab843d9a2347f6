// What the runtime uses of the language, taken before the author's code can replace it.
const realm = globalThis;
// What is not JavaScript: values in and out as MessagePack.
const { read, write, lostValue, addCall, addLine, stop, compile } = native;
// Of an object or an array, the engine's stringify meets an author's setter at Array.prototype[0]; of a text it does not.
const { parse, stringify } = JSON;
const {
  apply,
  defineProperty: defineOwn,
  deleteProperty,
  get,
  getOwnPropertyDescriptor: descriptor,
  getPrototypeOf,
  has,
  ownKeys,
  set,
} = Reflect;
const { assign, create, defineProperty, freeze, setPrototypeOf } = Object;
const text = String;
const evaluate = (0, eval);
const NativePromise = Promise;
const NativeProxy = Proxy;
const then = Promise.prototype.then;
const slice = String.prototype.slice;
const join = Array.prototype.join;
const NativeError = Error;
const NativeTypeError = TypeError;
const NativeRangeError = RangeError;
const EngineError = InternalError;

// An array or an object of the runtime's own: what the author does to a prototype (toJSON, an index setter) passes it by.
const bareArray = () => setPrototypeOf([], null);
const bareObject = () => create(null);
// With no prototype there is no setter to meet.
const put = (array, value) => {
  array[array.length] = value;
};
const cut = (value, length) => (value.length > length ? apply(slice, value, [0, length]) : value);
// A descriptor of no prototype: an author's Object.prototype.get would make it contradict itself.
const define = (name, value) =>
  defineProperty(realm, name, { __proto__: null, value, writable: true, configurable: true, enumerable: false });

// Not for scripts: memory shared between threads, a clock that is not the run's, and what comes whenever the collector runs.
// What stands for queueMicrotask is in suspending.js.
for (const name of ["queueMicrotask", "FinalizationRegistry", "WeakRef", "SharedArrayBuffer", "Atomics", "performance"])
  delete realm[name];
// Hidden slots behind accessors: freezing Error does not stop the setters, and of an error no place would be known.
for (const name of ["prepareStackTrace", "stackTraceLimit"]) {
  if (descriptor(Error, name)) {
    defineProperty(Error, name, {
      value: name === "stackTraceLimit" ? 10 : undefined,
      writable: false,
      configurable: false,
    });
  }
}
// What the engine itself throws (interrupted, out of memory) is told apart and shown by these two prototypes: they cannot
// change. Assigning to an instance still works, as it would not were they only frozen.
for (const errorClass of [Error, InternalError]) {
  const { prototype } = errorClass;
  for (const key of ["name", "message", "constructor", "toString"]) {
    const found = descriptor(prototype, key);
    if (!found) continue;
    const { value: locked } = found;
    const get = () => locked;
    const set = function (value) {
      if (this === prototype || this === null || this === undefined) throw new NativeTypeError("read-only");
      defineProperty(this, key, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
    };
    defineProperty(prototype, key, { get, set, enumerable: false, configurable: false });
  }
  // Or one of Object.prototype's would be asked first.
  if (errorClass === InternalError) defineProperty(prototype, Symbol.toPrimitive, { value: undefined });
  freeze(prototype);
  freeze(errorClass);
  defineProperty(realm, errorClass.name, { writable: false, configurable: false });
}
