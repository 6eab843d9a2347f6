const call = { routing: { cli: "1", dest_number: "442", egress_routing: [{ gw: { a: {} } }, { gw: { b: {} } }] } };

describe("a script that decides", () => {
  const router = script("scripts/router.js", { vars: { cli: { range: "4420" } } });

  it("gives the decision as a switch is told it", async () => {
    const decision = await router.route(call, { now: "2026-10-25 09:00 Europe/Berlin" });
    expect(decision).toEqual({
      action: "route",
      code: 0,
      reason: "",
      outcome: "returned",
      routing: expect.objectContaining({ cli: "4420", dest_number: "442" }),
      headers: { add: [["X-Time", "2026-10-25T08:00:00.000Z"]], remove: [] },
      failure: null,
      console: [{ script: "router", level: "log", text: "dialled 442" }],
    });
    expect(decision.routing.egress_routing).toHaveLength(2);
  });

  it("refuses", async () => {
    const refused = await router.route({ routing: { ...call.routing, dest_number: "4930" } });
    expect(refused).toMatchObject({ action: "reject", code: 603, reason: "Not To Germany", outcome: "sip_error" });
  });

  it("fails at its line", async () => {
    const { failure, outcome } = await script("scripts/router.js").route(call);
    expect(outcome).toBe("script_error");
    expect(failure.location).toBe("router.js:3:22");
    expect(failure.message).toContain("cannot read property 'range' of undefined");
  });

  it("is given a call and vars from files", async () => {
    const decision = await script("scripts/router.js", { vars: "vars.toml" }).route("call.json");
    expect(decision.routing).toMatchObject({ cli: "777", dest_number: "4420" });
  });

  it("is told what is wrong with what it asks", async () => {
    await expect(router.route({ nothing: 1 })).rejects.toThrow("nothing");
    await expect(router.route({ routing: 5 })).rejects.toThrow("routing");
    await expect(script("scripts/none.js").route(call)).rejects.toThrow("No such file");
    await expect(script("scripts/router.js", { vars: { routing: 1 } }).route(call)).rejects.toThrow("the call's own");
    await expect(router.route(call, { now: "soon" })).rejects.toThrow("is no time");
    await expect(router.route(call, { when: "soon" })).rejects.toThrow("when");
    await expect(router.route(call, { kind: "driver" })).rejects.toThrow("a Driver decides no calls");
    await expect(router.route(call, { kind: "node" })).rejects.toThrow("node");
    await expect(router.run({}, { kind: "worker" })).rejects.toThrow("a Worker is given messages");
    fake("cxKV");
    await expect(script("scripts/menu.js").call({ keys: "x" })).rejects.toThrow("keys: 'x'");
    await expect(script("scripts/menu.js").call({ headers: { "X Y": "1" } })).rejects.toThrow("SIP header name");
  });

  it("is refused what lies elsewhere or is hidden", async () => {
    for (const path of ["../secret.json", "/etc/passwd", ".hidden.json", "link.json", "scripts/../../secret.json"])
      await expect(fixture(path)).rejects.toThrow(/outside of|only|hidden/);
    await expect(script("../secret.js").route(call)).rejects.toThrow("outside of");
    await expect(script("call.json").route(call)).rejects.toThrow("only");
  });
});

describe("fixtures", () => {
  it("are JSON, TOML or text", async () => {
    expect(await fixture("call.json")).toHaveProperty("routing.cli", "1");
    expect(await fixture("vars.toml")).toEqual({ cli: { range: "777" } });
    expect(await fixture("note.txt")).toBe("a note\n");
  });
});

describe("time", () => {
  const counter = script("scripts/counter.js");

  it("goes by at once, and a script's limit is of its own time", async () => {
    const { kv } = fake("cxKV");
    expect(await counter.route(call, { vars: { wait_ms: 1_900 } })).toMatchObject({ outcome: "returned" });
    expect(await counter.route(call, { vars: { wait_ms: 3_000 } })).toMatchObject({ outcome: "timed_out", code: 503 });
    const patient = { vars: { wait_ms: 3_000 }, timeout_ms: 4_000 };
    await kv.del("calls:1");
    expect(await counter.route(call, patient)).toMatchObject({ outcome: "returned" });
  });
});
