// Node's events: the package of that name, and what has come to Node since.
const EventEmitter = require("events/");
const { checkFunction, coded, wrongType } = require("./shared/errors");

const errorMonitor = Symbol("events.errorMonitor");
const captureRejectionSymbol = Symbol.for("nodejs.rejection");
const plainEmit = EventEmitter.prototype.emit;

EventEmitter.prototype.emit = function emit(type, ...values) {
  if (type !== "error") return plainEmit.call(this, type, ...values);
  plainEmit.call(this, errorMonitor, ...values);
  if (this.listenerCount("error") > 0 || values[0] instanceof Error) return plainEmit.call(this, type, ...values);
  const thrown = coded(Error, "ERR_UNHANDLED_ERROR", `Unhandled error. (${require("util").inspect(values[0])})`);
  throw Object.assign(thrown, { context: values[0] });
};
for (const name of ["addListener", "on", "once", "prependListener", "prependOnceListener", "removeListener", "off"]) {
  const plain = EventEmitter.prototype[name];
  EventEmitter.prototype[name] = {
    [name](type, listener) {
      checkFunction("listener", listener);
      return plain.call(this, type, listener);
    },
  }[name];
}
EventEmitter.prototype.listenerCount = function listenerCount(type, listener) {
  const found = this.listeners(type);
  return listener === undefined ? found.length : found.filter((one) => one === listener).length;
};

const isTarget = (one) => typeof one?.addEventListener === "function" && typeof one.on !== "function";
const add = (emitter, name, listener, once) => {
  if (typeof emitter?.on === "function") return once ? emitter.once(name, listener) : emitter.on(name, listener);
  if (isTarget(emitter)) return emitter.addEventListener(name, listener, { once });
  throw wrongType("emitter", "an instance of EventEmitter", emitter);
};
const remove = (emitter, name, listener) =>
  typeof emitter.removeListener === "function"
    ? emitter.removeListener(name, listener)
    : emitter.removeEventListener(name, listener);

class AbortError extends Error {
  constructor(cause) {
    super("The operation was aborted", cause === undefined ? undefined : { cause });
    this.name = "AbortError";
    this.code = "ABORT_ERR";
  }
}

const once = (emitter, name, { signal } = {}) =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new AbortError(signal.reason));
    const end = () => {
      remove(emitter, name, resolved);
      if (name !== "error" && !isTarget(emitter)) remove(emitter, "error", rejected);
      signal?.removeEventListener("abort", aborted);
    };
    const resolved = (...values) => {
      end();
      resolve(values);
    };
    const rejected = (error) => {
      end();
      reject(error);
    };
    const aborted = () => {
      end();
      reject(new AbortError(signal.reason));
    };
    add(emitter, name, resolved, true);
    if (name !== "error" && !isTarget(emitter)) add(emitter, "error", rejected, true);
    signal?.addEventListener("abort", aborted, { once: true });
  });

const on = (emitter, name, { signal, close = [] } = {}) => {
  if (signal?.aborted) throw new AbortError(signal.reason);
  const come = [];
  const waiting = [];
  let error;
  let ended = false;
  const heard = (...values) => {
    const next = waiting.shift();
    if (next) next.resolve({ value: values, done: false });
    else come.push(values);
  };
  const failed = (thrown) => {
    error = thrown;
    const next = waiting.shift();
    if (next) {
      error = undefined;
      next.reject(thrown);
    }
    end();
  };
  const aborted = () => failed(new AbortError(signal.reason));
  const end = () => {
    remove(emitter, name, heard);
    if (name !== "error" && !isTarget(emitter)) remove(emitter, "error", failed);
    for (const one of close) remove(emitter, one, end);
    signal?.removeEventListener("abort", aborted);
    ended = true;
    for (const next of waiting.splice(0)) next.resolve({ value: undefined, done: true });
    return Promise.resolve({ value: undefined, done: true });
  };
  add(emitter, name, heard, false);
  if (name !== "error" && !isTarget(emitter)) add(emitter, "error", failed, false);
  for (const one of close) add(emitter, one, end, false);
  signal?.addEventListener("abort", aborted, { once: true });
  return {
    next() {
      if (come.length) return Promise.resolve({ value: come.shift(), done: false });
      if (error !== undefined) {
        const thrown = error;
        error = undefined;
        return Promise.reject(thrown);
      }
      if (ended) return Promise.resolve({ value: undefined, done: true });
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    return: end,
    throw(thrown) {
      failed(thrown);
      return Promise.reject(thrown);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
};

module.exports = Object.assign(EventEmitter, {
  EventEmitter,
  errorMonitor,
  captureRejectionSymbol,
  captureRejections: false,
  once,
  on,
  listenerCount: (emitter, type) => emitter.listenerCount(type),
  getEventListeners: (emitter, type) => (typeof emitter.listeners === "function" ? emitter.listeners(type) : []),
  getMaxListeners: (emitter) => emitter.getMaxListeners?.() ?? EventEmitter.defaultMaxListeners,
  setMaxListeners: (count = EventEmitter.defaultMaxListeners, ...emitters) => {
    if (!emitters.length) EventEmitter.defaultMaxListeners = count;
    for (const emitter of emitters) emitter.setMaxListeners?.(count);
  },
  addAbortListener: (signal, listener) => {
    if (signal.aborted) queueMicrotask(() => listener());
    else signal.addEventListener("abort", listener, { once: true });
    return { [Symbol.dispose ?? Symbol.for("Symbol.dispose")]: () => signal.removeEventListener("abort", listener) };
  },
});
