// The older names of lookups and sends, as a global and as a module.
({ ask }) => {
  const text = String;
  const { keyOf, named } = texts;
  const numberOf = (number) => named("number", number);
  const lookup = {
    userspaceLookup: async (db, key) => {
      if (typeof db !== "string") throw new TypeError("the name of a database is a text");
      const missing = new Error(); // made here, where it was asked
      const row = await ask("row", db, keyOf(key));
      if (row !== null) return row;
      missing.message = `there is no ${text(key).slice(0, 60)} in ${db}`;
      throw missing;
    },
  };
  for (const name of ["asrplus", "tps", "nnpc", "hlr", "lrn", "ping"])
    lookup[name] = async (number) => await ask("lookup", name, numberOf(number));

  const email = async (mail) => {
    if (typeof mail !== "object" || mail === null) throw new TypeError("email({to, subject, text})");
    await ask("email", mail);
  };
  // sms(number, text), or one object as its other older form has it.
  const sms = async (number, message) => {
    const given = typeof number === "object" && number !== null ? number : { to: number, text: message };
    const words = given.text ?? given.message;
    if (typeof words !== "string") throw new TypeError("sms({to, text}) or sms(number, text)");
    return await ask("sms", numberOf(given.to ?? given.number), words);
  };
  const unavailable = (name, instead) => async () => {
    throw new Error(`api.send.${name} is not available here: ${instead}`);
  };
  const send = {
    email,
    sms,
    notify: unavailable("notify", "api.send.email, or publish of cxPubSub"),
    sip: unavailable("sip", "originate of cxOriginate places calls"),
  };
  const api = { lookup, send };
  Object.defineProperty(globalThis, "api", { __proto__: null, value: api, writable: true, configurable: true });
  return api;
};
