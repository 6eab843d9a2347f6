describe("a script that drives a call", () => {
  const menu = script("scripts/menu.js", { vars: { stranger: "you" } });

  it("hears the keys, speaks, and time goes by", async () => {
    const { kv } = fake("cxKV");
    await kv.set("name:4420", "Kim");
    const call = await menu.call({ from: "4420", keys: "1234,busy", now: "2026-01-01T10:00Z" });
    expect(call.said).toEqual(["Hello Kim", "success 1234 at 4"]);
    expect(call.played).toEqual(["user/pin.wav"]);
    expect(call.did).toEqual(expect.arrayContaining(["answers", "says Hello Kim", "plays user/pin.wav"]));
    expect(call).toMatchObject({ outcome: "returned", left: [], record: { cli: "4420", log: ["busy"] } });
    expect(call.lines.find((line) => line.text === "success 1234 at 4").at).toBeCloseTo(240, 0);
  });

  it("is hung up on", async () => {
    fake("cxKV");
    const call = await menu.call({ keys: ["wait 1", "hangup", "1"] });
    expect(call).toMatchObject({ outcome: "hung_up", left: ["1"], record: { hangup_by: "caller" } });
    expect(call.said).toEqual(["Hello you"]);
  });

  it("times out on nobody", async () => {
    fake("cxKV");
    const call = await menu.call({ keys: "wait 10" });
    expect(call.said).toContainEqual(expect.stringMatching(/^timeout /));
  });
});
