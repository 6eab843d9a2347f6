// Messages come as answers to a question that is asked again as soon as they are heard: the host never calls a script.
({ ask, listen }) => {
  const { whole } = texts;
  const nameOf = (what, given) => (typeof given === "string" ? whole(what, given) : given); // what is no text is told
  const heard = (fn, payload, topic, key) => (async () => fn(payload, { topic, key }))();

  const publish = async (topic, ...rest) => {
    if (rest.length === 0) throw new TypeError("publish(topic, payload) or publish(topic, key, payload)");
    const [key, payload] = rest.length === 1 ? ["", rest[0]] : rest;
    await ask("publish", nameOf("topic", topic), nameOf("key", key), payload === undefined ? null : payload);
  };

  const subscribe = async (topic, ...rest) => {
    const [key, fn] = rest.length === 1 ? ["*", rest[0]] : rest;
    if (typeof fn !== "function")
      throw new TypeError("subscribe(topic, fn) or subscribe(topic, key, fn): fn is a function");
    const number = await ask("subscribe", nameOf("topic", topic), nameOf("key", key));
    let open = true;
    (async () => {
      while (open) {
        const messages = await listen("next", number);
        if (messages === null) return;
        for (let index = 0; index < messages.length && open; index++)
          heard(fn, messages[index][1], topic, messages[index][0]);
      }
    })();
    return {
      unsubscribe() {
        open = false;
        return ask("unsubscribe", number);
      },
    };
  };

  return { publish, subscribe };
};
