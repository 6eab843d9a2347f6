const call = { routing: { cli: "1", dest_number: "442", account_id: 1207, egress_routing: [] } };
const counter = script("scripts/counter.js");

describe("a store in memory", () => {
  it("counts over calls, and forgets by the script's clock", async () => {
    const { kv, incr } = fake("cxKV");
    const at = (minute) => counter.route(call, { now: `2026-01-01T10:${minute}Z` });
    expect((await at("00")).routing.dest_number).toBe("1");
    expect((await at("00")).routing.dest_number).toBe("2");
    expect(await at("01")).toMatchObject({ code: 486 });
    expect(await at("05")).toMatchObject({ code: 403, reason: "Blocked" });
    expect((await at("12")).routing.dest_number).toBe("1");
    expect(incr).toHaveBeenCalledTimes(4);
    expect(incr).toHaveBeenLastCalledWith("calls:1", 1, 120);
    expect(await kv.get("calls:1")).toBe("1");
  });

  it("has what was put into it", async () => {
    const { kv, ko, keys, usage, incr } = fake("cxKV");
    await kv.set("blocked:1", "1");
    expect(await counter.route(call)).toMatchObject({ code: 403 });
    await ko.set("o", { a: [1] });
    expect(await ko.get("o")).toEqual({ a: [1] });
    expect(await kv.get("none")).toBeNull();
    expect(await keys()).toEqual(["blocked:1", "o"]);
    expect(await usage()).toMatchObject({ keys: 2 });
    await kv.del("blocked:1");
    await expect(incr("o")).rejects.toThrow("no integer");
    await expect(kv.set("o", {})).rejects.toThrow(TypeError);
  });

  it("is another one in each test", async () => {
    expect(await fake("cxKV").keys()).toEqual([]);
  });
});

describe("fetch that a test plays", () => {
  const route = (settings) => script("scripts/web.js", settings).route(call);

  it("is asked with a URL and what was said of the request", async () => {
    const fetched = fake("fetch", () => new Response('{"cli":"4420"}', { status: 201, headers: { "X-Left": "7" } }));
    expect((await route()).console[0].text).toBe("4420 201 7 text/plain;charset=UTF-8");
    expect(fetched).toHaveBeenCalledWith("https://api.example.com/numbers", {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded;charset=UTF-8", "x-a": "1" },
      body: "number=442&name=%C3%A4",
    });
  });

  it.each([
    ['{"cli":"4420"}', "4420 200 null null"],
    [{ body: { cli: "4420" } }, "4420 200 null application/json"],
    [{ status: 203, headers: { "x-left": 9 }, body: '{"cli":1}' }, "1 203 9 null"],
    [{ body: Uint8Array.from([...'{"cli":2}'].map((one) => one.charCodeAt(0))) }, "2 200 null null"],
  ])("gives %j", async (answer, cli) => {
    fake("fetch", async () => answer);
    expect((await route()).console[0].text).toBe(cli);
  });

  it("gives bytes as they are", async () => {
    fake("fetch", async (url, { body }) => new Response(body.map((one) => 255 - one)));
    const bytes = { vars: { bytes: [255, 0, 128] } };
    expect((await route(bytes)).console[0].text).toBe("0,255,127");
  });

  it("fails as the test says", async () => {
    fake("fetch", async () => {
      throw new TypeError("fetch failed: no route");
    });
    expect((await route()).failure).toMatchObject({ message: "TypeError: fetch failed: no route" });
    fake("fetch", () => ({ ok: true, json: async () => ({}) }));
    expect((await route()).failure.message).toContain(
      "it gives a Response, an object {status, headers, body}, or a text",
    );
    expect(() => fake("fetch", {})).toThrow("it is a function");
    expect(() => fake("fetch")).toThrow("what it does is to be said");
  });

  it("may be silent", async () => {
    fake("fetch", () => new Promise(() => {}));
    expect(await route()).toMatchObject({ outcome: "timed_out", code: 503 });
  });

  it("is refused where no test plays it", async () => {
    expect((await route()).failure).toMatchObject({
      message: "Error: fetch is asked and not faked: fake('fetch', ...)",
      location: "web.js:6:30",
    });
  });
});

describe("a module that a test plays", () => {
  it("gives what its functions give, without an await in between", async () => {
    const get = fn().mockResolvedValue([{ did: "4420100" }, { did: "4420101" }]);
    const rest = fake("cxRest", { auth: () => ({ get }) });
    const numbers = script("scripts/numbers.js", { environment: { cx_api_user: "kim" } });
    expect((await numbers.route(call)).routing.cli).toBe("4420101");
    expect(rest.auth).toHaveBeenCalledWith("kim");
    expect(get).toHaveBeenCalledWith("did", { customer_id: 1207 });
    get.mockResolvedValue([]);
    expect(await numbers.route(call)).toMatchObject({ code: 403, reason: "No Number" });
  });

  it("throws what its functions throw", async () => {
    const broken = { incr: () => Promise.reject(new TypeError("the store is gone")), kv: { get: async () => null } };
    fake("cxKV", broken);
    expect((await counter.route(call)).failure).toMatchObject({ message: "TypeError: the store is gone" });
  });

  it("may never answer, which costs the script its time", async () => {
    fake("cxKV", { incr: () => new Promise(() => {}), kv: { get: () => new Promise(() => {}) } });
    expect(await counter.route(call, { timeout_ms: 300 })).toMatchObject({ outcome: "timed_out", code: 503 });
  });

  it("is said to be missing", async () => {
    const { failure } = await script("scripts/numbers.js", { environment: { cx_api_user: "kim" } }).route(call);
    expect(failure.message).toBe("Error: cxRest is asked and not faked: fake('cxRest', ...)");
    expect(failure.location).toBe("numbers.js:4:52");
    expect(() => fake("cxMail")).toThrow("what it does is to be said");
    fake("cxC5Server", {});
    await expect(counter.route(call)).rejects.toThrow("the call itself");
  });
});

describe("calls that a script places, and older names", () => {
  const run = (name) => script("scripts/placed.js").run({ phone: "49" }, { function: name });

  it("are refused where no test plays them", async () => {
    expect((await run("place")).error).toBe("cxOriginate is asked and not faked: fake('cxOriginate', ...)");
    expect((await run("follow")).error).toBe("cxCallControl is asked and not faked: fake('cxCallControl', ...)");
    expect((await run("look")).error).toBe("api is asked and not faked: fake('api', ...)");
  });

  it("are played", async () => {
    const { originate } = fake("cxOriginate", { originate: async () => ({ id: "x" }) });
    expect(await run("place")).toMatchObject({ result: "x" });
    expect(originate).toHaveBeenCalledWith(1207, "main", "201", "49", "49");
    fake("cxCallControl", { C5: async () => ({ originate: async () => ({ answered: async () => {} }) }) });
    expect(await run("follow")).toMatchObject({ result: "answered" });
    fake("api", { lookup: { hlr: async () => 1 }, send: { email: async () => 2 } });
    expect(await run("look")).toMatchObject({ result: [1, 2] });
  });
});

describe("what beforeEach fakes", () => {
  let store;
  beforeAll(() => fake("cxKV", { kv: { get: async () => "1" }, incr: async () => 9 }));
  it("beforeAll's is there", async () => expect(await counter.route(call)).toMatchObject({ code: 403 }));
  describe("within", () => {
    beforeEach(() => {
      store = fake("cxKV");
    });
    it("stands in its place", async () => {
      expect((await counter.route(call)).routing.dest_number).toBe("1");
      expect(store.kv.get).toHaveBeenCalled();
    });
  });
});
