// A job of the engine's that throws reaches the binding, which makes a text of what was thrown with no limit set. One kind
// can: a reaction whose derived promise is of a class of the author's, and throws from a resolve of the author's. So a
// promise of the engine's own class derives nothing else, and one of another class is given functions that never throw.
const promisePrototype = NativePromise.prototype;
defineProperty(promisePrototype, "constructor", { __proto__: null, writable: false, configurable: false });
defineProperty(NativePromise, Symbol.species, { __proto__: null, configurable: false });

// ECMA-262 7.3.22
const speciesOf = (promise) => {
  const { constructor: Class } = promise;
  if (Class === undefined) return NativePromise;
  if (Class === null || (typeof Class !== "object" && typeof Class !== "function"))
    throw new NativeTypeError("a promise's constructor is no object");
  return Class[Symbol.species] ?? NativePromise;
};

// Throws a TypeError where the author made it impossible. None of the author's code runs while the property is hidden.
const thenOfNativeClass = (promise, onFulfilled, onRejected) => {
  const own = descriptor(promise, "constructor");
  defineProperty(promise, "constructor", { __proto__: null, value: undefined, configurable: true });
  try {
    return apply(then, promise, [onFulfilled, onRejected]);
  } finally {
    if (own === undefined) delete promise.constructor;
    else defineProperty(promise, "constructor", setPrototypeOf(own, null));
  }
};

// ECMA-262 27.2.2.1, but that what the author's resolve or reject throws ends the run as its error.
const reaction = (handler, unhandled, resolve, reject) => (value) => {
  try {
    if (typeof handler !== "function") return void unhandled(value);
    let handled;
    try {
      handled = handler(value);
    } catch (thrown) {
      return void reject(thrown);
    }
    resolve(handled);
  } catch (thrown) {
    if (!finished) fail(thrown);
  }
};

const thenOfOtherClass = (promise, Class, onFulfilled, onRejected) => {
  let resolve;
  let reject;
  const derived = new Class((resolving, rejecting) => {
    if (resolve !== undefined || reject !== undefined)
      throw new NativeTypeError("a promise's resolve and reject are given once");
    resolve = resolving;
    reject = rejecting;
  });
  if (typeof resolve !== "function" || typeof reject !== "function")
    throw new NativeTypeError("a promise's resolve and reject must be functions");
  thenOfNativeClass(
    promise,
    reaction(onFulfilled, resolve, resolve, reject),
    reaction(onRejected, reject, resolve, reject),
  );
  return derived;
};

const guarded = {
  then(onFulfilled, onRejected) {
    if (getPrototypeOf(this) === promisePrototype && descriptor(this, "constructor") === undefined)
      return apply(then, this, [onFulfilled, onRejected]);
    const Class = speciesOf(this);
    return Class === NativePromise
      ? thenOfNativeClass(this, onFulfilled, onRejected)
      : thenOfOtherClass(this, Class, onFulfilled, onRejected);
  },
};
defineProperty(promisePrototype, "then", {
  __proto__: null,
  value: guarded.then,
  writable: true,
  enumerable: false,
  configurable: true,
});
