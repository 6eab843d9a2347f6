({ ask }) => {
  const text = String;
  const named = (what, given) => {
    if ((typeof given === "string" && given !== "") || typeof given === "number") return text(given);
    throw new TypeError(`originate(company, server, destination, cli, extension): the ${what} is a text or a number`);
  };
  const orNothing = (what, given) => (given === undefined || given === null || given === "" ? "" : named(what, given));

  const originate = async (company, server, destination, cli, extension) => {
    const failed = new Error(); // made here, where it was asked
    const { id, refused } = await ask(
      "originate",
      orNothing("company", company),
      named("server", server),
      named("destination", destination),
      orNothing("cli", cli),
      named("extension", extension),
    );
    if (refused === undefined) return { id };
    // An Error that is also [code, reason], as the pair that it used to be.
    const [code, reason] = refused;
    failed.message = `${code} ${reason}`;
    const pair = {
      code,
      reason,
      0: code,
      1: reason,
      length: 2,
      [Symbol.iterator]: () => [code, reason][Symbol.iterator](),
    };
    for (const key of Reflect.ownKeys(pair))
      Object.defineProperty(failed, key, { __proto__: null, value: pair[key], writable: true, configurable: true });
    throw failed;
  };
  return { originate };
};
