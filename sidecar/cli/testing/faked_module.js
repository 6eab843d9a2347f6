// A module of the host that a test plays, as the script has it: each function is a question to the test. What one gives is
// a promise, and as good as what it will be: `auth(user).get(path)` needs no await in between.
({ ask }) => {
  const promised = (made) =>
    new Proxy(made, {
      get: (target, name) => {
        const own = target[name];
        if (typeof name === "symbol" || own !== undefined) return typeof own === "function" ? own.bind(target) : own;
        return (...values) => promised(made.then((object) => object[name](...values)));
      },
    });
  const make = (described) => {
    if ("value" in described) return described.value;
    const made =
      described.function === undefined
        ? {}
        : function (...values) {
            if (values.some((value) => typeof value === "function"))
              throw new TypeError("a fake cannot be given a function");
            return promised(ask("call", described.function, values).then(make));
          };
    for (const name of Object.keys(described.object ?? {}))
      Object.defineProperty(made, name, { value: make(described.object[name]), enumerable: true, configurable: true });
    return made;
  };
  const made = make(JSON.parse(DESCRIBED));
  for (const name of GLOBALS) {
    const value = name === NAMED ? made : made?.[name]; // a module may be a global itself
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  }
  return made;
};
