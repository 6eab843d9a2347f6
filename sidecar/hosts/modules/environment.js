// The variables of the script's app, as globals: process.env is what they were when the script was loaded.
({ ask }) => {
  const text = String;
  const { whole } = texts;
  const setEnvVar = async (name, value) => {
    if (typeof name !== "string") throw new TypeError("the name of a variable is a text");
    if (
      value === undefined ||
      typeof value === "function" ||
      typeof value === "symbol" ||
      (typeof value === "object" && value !== null)
    )
      throw new TypeError("a variable is a text: JSON.stringify makes one of an object");
    await ask("set", whole("name of a variable", name), whole("value", text(value)));
  };
  const getEnvVars = async () => await ask("read");
  for (const [name, value] of [
    ["setEnvVar", setEnvVar],
    ["getEnvVars", getEnvVars],
  ])
    Object.defineProperty(globalThis, name, { __proto__: null, value, writable: true, configurable: true });
  return { setEnvVar, getEnvVars };
};
