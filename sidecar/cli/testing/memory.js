// Modules of the host in memory, for fake('cxKV') without an implementation. Lives are counted by the clock of the script
// that asks.
let scriptTime = 0;
const MEMORY = {
  cxKV: () => {
    const kept = new Map();
    const live = (key) => {
      const entry = kept.get(key);
      if (entry !== undefined && entry.until <= scriptTime) kept.delete(key);
      return kept.get(key);
    };
    const until = (seconds) => (seconds > 0 ? scriptTime + seconds * 1000 : Infinity);
    const put = (key, value, seconds) => {
      if (typeof key !== "string" || key === "") throw new TypeError("cxKV: a key is text");
      kept.set(key, { value, until: until(seconds) });
    };
    const text = (value) => {
      if (typeof value === "object") throw new TypeError("kv.set: a value is text; objects are for ko.set");
      return String(value);
    };
    const keys = () => [...kept.keys()].filter((key) => live(key) !== undefined).sort();
    return {
      kv: {
        get: async (key) => live(key)?.value ?? null,
        set: async (key, value, seconds = 0) => put(key, text(value), seconds),
        del: async (key) => void kept.delete(key),
      },
      ko: {
        get: async (key) => JSON.parse(live(key)?.value ?? "null"),
        set: async (key, value, seconds = 0) => put(key, JSON.stringify(value), seconds),
        del: async (key) => void kept.delete(key),
      },
      incr: async (key, by = 1, seconds = 0) => {
        const entry = live(key);
        const before = Number(entry?.value ?? 0);
        if (!Number.isInteger(before)) throw new Error(`incr: the value of ${key} is no integer`);
        put(key, String(before + by), seconds);
        if (entry !== undefined && !(seconds > 0)) kept.get(key).until = entry.until;
        return before + by;
      },
      keys: async () => keys(),
      usage: async () => {
        const found = keys();
        const bytes = found.reduce((sum, key) => sum + key.length + live(key).value.length, 0);
        return { keys: found.length, bytes, limit_keys: null, limit_bytes: null };
      },
    };
  },
};
