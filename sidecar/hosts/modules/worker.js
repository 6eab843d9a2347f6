// A message is JSON text on its way, so that it is written once.
({ ask }) => {
  const { stringify } = JSON;
  const text = String;

  const send = async (script, message) => {
    if (typeof script !== "string" && typeof script !== "number")
      throw new TypeError("send(script, message): a Worker is named by its id or its uuid");
    const json = stringify(message === undefined ? null : message);
    if (json === undefined) throw new TypeError("a message is what JSON can say");
    return await ask("send", text(script), json);
  };

  return { send };
};
