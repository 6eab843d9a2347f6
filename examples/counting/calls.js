// Tells the gateway which call of its number this is. A browser counts as a call too: /run/UUID?number=4930123
import { count } from "./count";

export async function main(data) {
  const number = data.routing ? data.routing.cli : data.number;
  if (!number) throw new Error("400 Whose call?");
  const calls = await count(number);
  if (!data.routing) return `Call ${calls} of ${number}`;
  data.headers.push({ key: "X-Calls", value: `${calls}` });
}
