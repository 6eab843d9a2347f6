const { kv, ko, incr, keys } = require("cxKV");
const { read, sql } = require("cxUserspace");
const { publish, subscribe } = require("cxPubSub");
const call = { routing: { cli: "1", dest_number: "442", egress_routing: [] } };

database("blocked", { times: "integer" }, [{ key: "491", value: "fraud" }]);

describe("cxKV", () => {
  const counter = script("scripts/counter.js");
  const at = (minute) => counter.route(call, { now: `2026-01-01T10:${minute}Z` });

  it("is what the scripts of a test share, by their clock", async () => {
    expect((await at("00")).routing.dest_number).toBe("1");
    expect(await kv.get("calls:1")).toBe("1");
    expect((await at("01")).routing.dest_number).toBe("2");
    expect((await at("05")).routing.dest_number).toBe("1");
    await kv.set("blocked:1", "1", 59);
    expect(await at("05")).toMatchObject({ code: 403 });
    expect((await at("06")).routing.dest_number).toBe("2");
    expect(await kv.get("blocked:1")).toBeNull();
    expect(await keys()).toEqual(["calls:1"]);
  });

  it("begins empty in each test", async () => {
    expect(await keys()).toEqual([]);
    await ko.set("o", [1]);
    await expect(incr("o")).rejects.toThrow("its value is no integer");
  });
});

describe("cxUserspace", () => {
  const list = script("scripts/list.js", { vars: { db: "blocked" } });

  it("has the databases of the file, made anew", async () => {
    expect(await list.route({ routing: { dest_number: "491" } })).toMatchObject({
      code: 604,
      reason: "Blocked: fraud",
    });
    expect((await list.route(call)).routing.cli).toBe("1");
    expect(await read("blocked", "442")).toEqual({ key: "442", value: "called", times: 2 });
    expect(await sql("select key from blocked order by key")).toEqual([{ key: "442" }, { key: "491" }]);
  });

  it("forgets what the test before has put into them", async () => expect(await read("blocked", "442")).toBeNull());

  it("has those of a test, awaited or not", async () => {
    database("friends", {}, [{ key: "442", value: "kim" }]);
    expect(await list.route(call, { vars: { db: "friends" } })).toMatchObject({ reason: "Blocked: kim" });
  });

  it("fails where there is none", async () => {
    const { failure } = await list.route(call, { vars: { db: "friends" } });
    expect(failure.message).toContain("there is no database 'friends'");
  });

  it.each([
    ["Blocked", {}, [], "small letters"],
    ["blocked", {}, [], "there is a database 'blocked' already"],
    ["a", { b: "date" }, [], "Invalid enum value 'date'"],
    ["a", {}, [{ key: "1", none: 1 }], "a has no column 'none'"],
    ["a", {}, [{ value: "1" }], "a key is a text"],
  ])("refuses %s with %j and %j", async (name, columns, rows, told) => {
    await expect(database(name, columns, rows)).rejects.toThrow(told);
  });
});

describe("variables", () => {
  const settings = script("scripts/settings.js", { environment: { currency: "GBP", other: "x" } });

  it("are the next run's and not this one's", async () => {
    expect((await settings.route(call, { vars: { value: "EUR" } })).console[0].text).toBe("GBP GBP EUR x");
    expect((await settings.route(call, { vars: { value: 7 } })).console[0].text).toBe("EUR EUR 7 x");
    expect(await getEnvVars()).toEqual({ currency: "7" });
    await setEnvVar("other", "y");
    expect((await settings.route(call, { vars: { value: 8 } })).console[0].text).toBe("7 7 8 y");
  });

  it("are a test's own, and have names", async () => {
    expect(await getEnvVars()).toEqual({});
    const refused = async (vars) => (await settings.route(call, { vars })).failure.message;
    expect(await refused({ name: "APP_ID", value: "1" })).toContain("APP_ID is set by the host");
    expect(await refused({ value: {} })).toContain("TypeError: a variable is a text");
  });

  it("may be faked", async () => {
    const { setEnvVar } = fake("environment", {
      setEnvVar: async () => {},
      getEnvVars: async () => ({ currency: "ZZZ" }),
    });
    expect((await settings.route(call, { vars: { value: "EUR" } })).console[0].text).toBe("GBP GBP ZZZ x");
    expect(setEnvVar).toHaveBeenCalledWith("currency", "EUR");
    fake("environment", { setEnvVar: () => Promise.reject(new RangeError("60 a minute")) });
    expect((await settings.route(call, { vars: { value: "EUR" } })).failure.message).toBe("RangeError: 60 a minute");
  });
});

describe("cxPubSub", () => {
  it("is heard by the script itself, and by the test", async () => {
    const heard = [];
    await subscribe("desk", (note, { key }) => heard.push([key, note]));
    expect((await script("scripts/desk.js").route(call)).console[0].text).toBe('["hi"]');
    await publish("desk", "c", { last: true });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(heard).toEqual([
      ["a", "hi"],
      ["b", "ho"],
      ["c", { last: true }],
    ]);
  });
});

describe("what stands around tests", () => {
  let told;
  beforeAll(async () => {
    told = await kv.set("a", "1").catch((error) => error.message);
  });
  it("keeps nothing", () => expect(told).toContain("each test begins with nothing kept"));
});
