const { timers } = require("scriptforge:runtime");

const aborted = (signal) =>
  Object.assign(new Error("The operation was aborted", { cause: signal.reason }), {
    name: "AbortError",
    code: "ABORT_ERR",
  });
const waiting =
  (set, clear) =>
  (delay, value, { signal } = {}) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted(signal));
      const stop = () => {
        clear(timer);
        reject(aborted(signal));
      };
      const timer = set(() => {
        signal?.removeEventListener("abort", stop);
        resolve(value);
      }, delay);
      signal?.addEventListener("abort", stop, { once: true });
    });
const setTimeout = waiting(timers.setTimeout, timers.clearTimeout);
const immediate = waiting((callback) => timers.setImmediate(callback), timers.clearImmediate);

module.exports = {
  setTimeout,
  setImmediate: (value, options) => immediate(0, value, options),
  async *setInterval(delay, value, options) {
    for (;;) yield await setTimeout(delay, value, options);
  },
  scheduler: {
    wait: (delay, options) => setTimeout(delay, undefined, options),
    yield: () => immediate(0),
  },
};
