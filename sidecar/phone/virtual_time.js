// Around an adapter: its timers and the script's are the host's, which may put its clock forward, its Date goes by that
// clock, in milliseconds since 1970 when the call comes BEGIN, and the host learns when nothing is left to do. Host calls:
// timer(id, ms) is answered when it is due, clear(id) and idle(firing) at once or later; an idle that is answered false is
// the last. Each answer to the script, a timer's too, says how late it is in the call, in milliseconds.
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
  const { apply, construct } = Reflect;
  const { then } = Promise.prototype;
  const { assign, defineProperty, create, keys } = Object;
  const { setTimeout: soon } = globalThis;
  const NativeTypeError = TypeError;
  const define = (name, value) => defineProperty(globalThis, name, { value, writable: true, configurable: true });
  const NativeDate = Date;
  const live = create(null);
  let count = 0;
  let firing = 0;
  let late = 0;

  const start = (id, callback, delay, repeat, values) => {
    apply(then, host("timer", [id, delay]), [
      (milliseconds) => {
        if (!live[id]) return;
        late = milliseconds;
        // By a timer of the engine's own, so that what it throws is what any timer's callback throws.
        firing++;
        soon(() => {
          firing--;
          if (!live[id]) return;
          if (repeat) start(id, callback, delay, repeat, values);
          else delete live[id];
          callback(...values);
        }, 0);
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
    apply(then, host("idle", [firing]), [
      (again) => {
        if (again) idle();
      },
    ]);
  // Answers are { late, value }, and so are errors.
  const dated = (name, values) =>
    apply(then, granted.host(name, values), [
      (told) => {
        late = told.late;
        return told.value;
      },
      (error) => {
        if (error.late === undefined) throw error;
        late = error.late;
        const { value } = error;
        delete error.late;
        delete error.value;
        throw assign(error, value);
      },
    ]);
  const now = () => BEGIN + late;
  const ScriptDate = function Date(...values) {
    if (new.target === undefined) return new NativeDate(now()).toString();
    return construct(NativeDate, values.length === 0 ? [now()] : values, new.target);
  };
  const own = { now, parse: NativeDate.parse, UTC: NativeDate.UTC };
  for (const name of ["now", "parse", "UTC"])
    defineProperty(ScriptDate, name, { value: own[name], writable: true, configurable: true });
  defineProperty(ScriptDate, "length", { value: 7, configurable: true });
  defineProperty(ScriptDate, "prototype", { value: NativeDate.prototype, writable: false });
  defineProperty(NativeDate.prototype, "constructor", { value: ScriptDate, writable: true, configurable: true });
  define("Date", ScriptDate);

  const given = ADAPTER;
  const adapter = typeof given === "function" ? given({ ...granted, host: dated }) : given;
  return {
    ...adapter,
    own: () => ({ timers: keys(live).length, calls }),
    prepare: (input) => {
      idle();
      return adapter.prepare(input);
    },
  };
};
