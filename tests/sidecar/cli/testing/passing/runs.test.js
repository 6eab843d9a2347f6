const click = script("scripts/click.js", { environment: { KEY: "s3cret" } });

describe("a run as over HTTP", () => {
  it("gives what the function returns", async () => {
    const { sms } = fake("cxSend", { sms: async () => 1 });
    const answer = await click.run({ key: "s3cret", phone: "4930123" }, { function: "send" });
    expect(answer).toEqual({
      status: 200,
      result: { status: "sent", parts: 1 },
      error: null,
      name: null,
      location: null,
      outcome: "returned",
      console: [{ level: "log", text: "to 4930123" }],
    });
    expect(sms).toHaveBeenCalledWith("4930123", "Hello");
    expect(await click.run({ _company: { name: "acme" } }, { function: "text" })).toMatchObject({ result: "for acme" });
  });

  it.each([
    [{ key: "x" }, "send", 401, "Unauthorized"],
    [{ key: "s3cret" }, "send", 400, "No Phone"],
    [{}, "secret", 404, "Function not found"],
    [{}, "none", 404, "Function not found"],
    [{}, "patient", 504, "Script Timeout"],
  ])("answers %j to %s by %d %s", async (data, name, status, error) => {
    expect(await click.run(data, { function: name })).toMatchObject({ status, error, result: null });
  });

  it("runs main, or the default export", async () => {
    expect((await click.run()).result).toBe(42);
    const settings = script("scripts/settings.js");
    expect(await settings.run({ value: "EUR", routing: {} })).toMatchObject({ status: 200, result: null });
    expect(await getEnvVars()).toEqual({ currency: "EUR" });
  });

  it("says where it failed", async () => {
    expect(await click.run({}, { function: "broken" })).toMatchObject({
      status: 500,
      name: "TypeError",
      error: "cannot read property 'at' of undefined",
      location: "click.js:10:33",
    });
    await expect(click.run({}, { vars: { a: 1 } })).rejects.toThrow("vars are an assignment's");
    await expect(click.run(5)).rejects.toThrow("data");
  });
});
