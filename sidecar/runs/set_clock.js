// Around an adapter: the clock of the script stands at a given time when its run begins, in milliseconds since 1970, and
// goes on from there, by the machine's clock or by what `elapsed` of the host says.
(granted) => {
  "use strict";
  const NativeDate = Date;
  const { now: machine } = NativeDate;
  const { construct } = Reflect;
  const { defineProperty } = Object;
  let started = machine();
  const elapsed = granted.elapsed ?? (() => machine() - started);
  const now = () => BEGIN + elapsed();

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
  defineProperty(globalThis, "Date", { value: ScriptDate, writable: true, configurable: true });

  const given = ADAPTER;
  const adapter = typeof given === "function" ? given(granted) : given;
  return {
    ...adapter,
    prepare: (input) => {
      started = machine();
      return adapter.prepare(input);
    },
  };
};
