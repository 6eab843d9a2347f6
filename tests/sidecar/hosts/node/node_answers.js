// Real Node, asked what a function body gives for an input: one question a line, one answer a line.
const readline = require("node:readline");

const AsyncFunction = (async () => {}).constructor;
const bodies = new Map();
const told = (error) => ({ name: error?.name, code: error?.code, message: error?.message ?? String(error) });
process.emitWarning = () => {};
// What a question leaves behind is none of the next one's.
process.on("uncaughtException", () => {});

const answer = async (line) => {
  const { body, input } = JSON.parse(line);
  if (!bodies.has(body)) bodies.set(body, new AsyncFunction("require", "input", body));
  try {
    return { value: await bodies.get(body)(require, input) };
  } catch (error) {
    return { error: told(error) };
  }
};
readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  process.stdout.write(
    `${JSON.stringify(await answer(line)).replace(/[\u2028\u2029\x85]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`)}\n`,
  );
});
