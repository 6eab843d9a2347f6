({ ask }) => {
  const { parse, stringify } = JSON;
  const text = String;
  const { keyOf, whole } = texts;
  const lifeOf = (seconds) => {
    if (seconds === undefined || seconds === null) return 0;
    if (typeof seconds === "number" && seconds >= 0) return seconds;
    throw new RangeError("a life is a number of seconds, and 0 is for ever");
  };

  const del = async (key) => {
    await ask("del", keyOf(key));
  };
  const kv = {
    get: async (key) => await ask("get", keyOf(key)),
    set: async (key, value, ttl) => {
      const kind = typeof value;
      if (kind !== "string" && kind !== "number" && kind !== "boolean" && kind !== "bigint")
        throw new TypeError("kv.set keeps a text, a number or a boolean: ko.set keeps objects");
      await ask("set", keyOf(key), whole("value", text(value)), lifeOf(ttl));
    },
    del,
  };
  const ko = {
    get: async (key) => {
      const notJson = new Error(`ko.get: what ${stringify(key)} has is not JSON: kv.get reads it`); // here, where it was asked
      const found = await ask("get", keyOf(key));
      if (found === null) return null;
      try {
        return parse(found);
      } catch {
        throw notJson;
      }
    },
    set: async (key, value, ttl) => {
      const json = stringify(value);
      if (json === undefined) throw new TypeError("ko.set keeps what JSON can say");
      await ask("set", keyOf(key), json, lifeOf(ttl));
    },
    del,
  };

  const incr = async (key, by = 1, expire = 0) => {
    if (typeof by !== "number" || by % 1 !== 0) throw new TypeError("incr counts by a whole number");
    return await ask("incr", keyOf(key), by, lifeOf(expire));
  };

  const keys = async () => {
    const all = [];
    for (let after = ""; after !== null;) {
      const page = await ask("keys", after);
      for (let index = 0; index < page.keys.length; index++) all[all.length] = page.keys[index];
      after = page.next;
    }
    return all.sort();
  };
  const usage = async () => await ask("usage");

  return { kv, ko, incr, keys, usage };
};
