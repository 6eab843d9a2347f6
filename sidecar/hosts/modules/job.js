// What a job is given and gives is JSON text on its way, so that it is written once. What the job itself says of it, setData
// and setProgress, is heard also where its function throws at once after it.
({ ask }) => {
  const { parse, stringify } = JSON;
  const { defineProperty, keys } = Object;
  const text = String;
  const OPTIONS = {
    __proto__: null,
    attempts: true,
    delay: true,
    backoff: true,
    priority: true,
    queue: true,
    key: true,
    keep: true,
  };

  const jsonOf = (value, what) => {
    const json = stringify(value === undefined ? null : value);
    if (json === undefined) throw new TypeError(`${what} is what JSON can say`);
    return json;
  };
  const scriptOf = (script) => {
    if (typeof script === "string" || typeof script === "number") return text(script);
    throw new TypeError("a script is named by its id or its uuid: process.env.SCRIPTFORGE_ID is the script's own");
  };
  const given = (options) => {
    if (options === undefined || options === null) return {};
    if (typeof options !== "object") throw new TypeError("options are an object");
    const names = keys(options);
    const chosen = {};
    for (let index = 0; index < names.length; index++) {
      const name = names[index];
      if (OPTIONS[name] !== true)
        throw new TypeError(`a job has no option ${name}: there are ${keys(OPTIONS).join(", ")}`);
      if (options[name] !== undefined && options[name] !== null) chosen[name] = options[name];
    }
    return chosen;
  };

  const resultOf = async (id) => parse(await ask("result", id));
  const jobOf = (id) => {
    let result;
    const job = { id, progress: async () => parse(await ask("progress", id)) };
    // Asked for when it is looked at: one that nobody awaits is no rejection that nobody handles.
    return defineProperty(job, "result", {
      __proto__: null,
      get() {
        if (result === undefined) result = resultOf(id);
        return result;
      },
    });
  };

  const add = async (script, fn, data, options) => {
    if (typeof fn !== "string")
      throw new TypeError("add(script, function, data, options): a function is named by a text");
    return jobOf(await ask("add", scriptOf(script), fn, jsonOf(data, "data"), given(options)));
  };
  const scriptForge = (script, data, options) => add(script, "main", data, options);
  const setProgress = async (progress) => {
    await ask("setProgress", jsonOf(progress, "progress"));
  };
  const setData = async (data) => {
    await ask("setData", jsonOf(data, "data"));
  };

  return { add, scriptForge, setProgress, setData };
};
