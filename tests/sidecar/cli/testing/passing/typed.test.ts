import { broken, price } from "./scripts/price";
import call from "./call.json";

interface Row {
  seconds: number;
  cost: number;
}

describe("a function that is imported", () => {
  it.each([
    { seconds: 1, cost: 2 },
    { seconds: 61, cost: 4 },
  ])("$seconds seconds cost $cost", ({ seconds, cost }: Row) => {
    expect(price(seconds, { rate: 2 })).toBe(cost);
  });
  it("throws where it stands", () => expect(broken).toThrow("'rate' of undefined"));
});

it("runs a script in TypeScript", async () => {
  const decision = await script("scripts/priced.ts", { vars: { tariff: { rate: 3 } } }).route(call);
  expect(decision).toMatchObject({ outcome: "returned", routing: { dest_number: "6" } });
});
