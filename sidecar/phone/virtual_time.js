// Around an adapter: its timers and the script's are the host's, which may put its clock forward, and the host learns when
// nothing is left to do. Host calls: timer(id, ms) is answered when it is due, clear(id) and idle() at once or later; an
// idle that is answered false is the last.
(granted) => {
  "use strict";
  let calls = 0; // of this file's own, which wait
  const answered = () => {
    calls--;
  };
  const host = (name, values) => {
    const answer = granted.host(name, values);
    calls++;
    apply(then, answer, [answered, answered]);
    return answer;
  };
  const { apply } = Reflect;
  const { then } = Promise.prototype;
  const { create, keys } = Object;
  const NativeTypeError = TypeError;
  const define = (name, value) =>
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  const live = create(null);
  let count = 0;

  const start = (id, callback, delay, repeat, values) => {
    apply(then, host("timer", [id, delay]), [
      () => {
        if (!live[id]) return;
        if (repeat) start(id, callback, delay, repeat, values);
        else delete live[id];
        try {
          callback(...values);
        } catch (thrown) {
          // What any timer's callback throws is the run's end.
          granted.failed(thrown);
        }
      },
    ]);
  };
  const add = (callback, delay, repeat, values) => {
    if (typeof callback !== "function") throw new NativeTypeError("a timer's callback must be a function");
    const id = ++count;
    const asked = +delay;
    live[id] = true;
    start(id, callback, asked >= 1 && asked <= 2147483647 ? asked : 1, repeat, values);
    return id;
  };
  const remove = (id) => {
    if (!live[id]) return;
    delete live[id];
    host("clear", [id]);
  };
  define("setTimeout", (callback, delay, ...values) => add(callback, delay, false, values));
  define("setInterval", (callback, delay, ...values) => add(callback, delay, true, values));
  define("setImmediate", (callback, ...values) => add(callback, 1, false, values));
  define("clearTimeout", remove);
  define("clearInterval", remove);
  define("clearImmediate", remove);

  const idle = () =>
    apply(then, host("idle", []), [
      (again) => {
        if (again) idle();
      },
    ]);

  const given = ADAPTER;
  const adapter = typeof given === "function" ? given(granted) : given;
  return {
    ...adapter,
    own: () => ({ timers: keys(live).length, calls }),
    prepare: (input) => {
      idle();
      return adapter.prepare(input);
    },
  };
};
