// A call's events come as answers to a question that is asked again as soon as they are heard: the host never calls a script.
({ ask, listen }) => {
  const { named, orNothing } = texts;
  const EVENTS = ["ringing", "answered", "connected", "ended"];
  const listOf = (servers) => {
    if (servers === undefined || servers === null) return [];
    return Array.isArray(servers) ? servers.map((one) => named("server", one)) : [named("server", servers)];
  };
  const hangup = async (id, cause) => {
    await ask("hangup", named("id", id), cause ?? null);
  };
  const transfer = async (id, destination) => {
    await ask("transfer", named("id", id), named("destination", destination));
  };

  const follow = (id, number) => {
    const listeners = { __proto__: null };
    const told = { __proto__: null }; // the detail of each event that was
    let waiting = [];
    const settle = () => {
      const before = waiting;
      waiting = [];
      for (let index = 0; index < before.length; index++) before[index]();
    };
    const hear = (name, detail) => {
      told[name] = detail;
      const fns = listeners[name] ?? [];
      for (let index = 0; index < fns.length; index++) (async () => fns[index](detail))();
      settle();
    };
    (async () => {
      for (;;) {
        const events = await listen("next", number);
        if (events === null) return;
        for (let index = 0; index < events.length; index++) hear(events[index][0], events[index][1]);
      }
    })();
    const until = async (isThere) => {
      while (!isThere()) await new Promise((resolve) => (waiting[waiting.length] = resolve));
    };
    const call = {
      id,
      on(name, fn) {
        if (!EVENTS.includes(name)) throw new TypeError(`a call has the events ${EVENTS.join(", ")}`);
        if (typeof fn !== "function") throw new TypeError("on(event, fn): fn is a function");
        (listeners[name] ??= []).push(fn);
        if (told[name] !== undefined) (async () => fn(told[name]))(); // what was before is heard as well
        return call;
      },
      async answered() {
        const failed = new Error(); // made here, where it was asked
        await until(() => told.answered !== undefined || told.ended !== undefined);
        if (told.answered === undefined) throw refusal(failed, told.ended.code, told.ended.reason);
      },
      async ended() {
        await until(() => told.ended !== undefined);
        return told.ended;
      },
      hangup: (cause) => hangup(id, cause),
      transfer: (destination) => transfer(id, destination),
    };
    return call;
  };

  const unavailable = (what, instead) => async () => {
    throw new Error(`${what} is not available here: ${instead}`);
  };

  const C5 = async (servers) => {
    const names = await ask("servers", listOf(servers));
    return {
      async originate(company, server, destination, cli, extension) {
        const by = named("server", server);
        if (!names.includes(by)) throw new RangeError(`${by} is none of the servers that C5 was given`);
        const { id, number } = await ask(
          "originate",
          orNothing("company", company),
          by,
          named("destination", destination),
          orNothing("cli", cli),
          named("extension", extension),
        );
        return follow(id, number);
      },
      calls: async () => await ask("calls"),
      hangup,
      transfer,
      getQueue: unavailable("getQueue", "there are no queues of calls"),
    };
  };
  const C4 = async (servers) => {
    const names = await ask("servers", listOf(servers));
    return {
      registrations: async (user) =>
        await ask("registrations", names, user === undefined || user === null ? null : named("user", user)),
    };
  };
  const AI = unavailable("AI", "C5 places calls");

  return { C4, C5, AI };
};
