// A module of the host that no test plays: nothing of it reaches the world.
() => {
  const refuse = () => {
    throw new Error(NAMED);
  };
  return new Proxy(function () {}, {
    apply: refuse,
    construct: refuse,
    get: (_, name) => (typeof name === "symbol" ? undefined : refuse),
  });
};
