// Functions of a program in Node: one question a line, [file, name, data], and what it gives.
const { createInterface } = require("readline");

createInterface({ input: process.stdin }).on("line", async (line) => {
  const [file, name, data] = JSON.parse(line);
  let answer;
  try {
    answer = { value: await require(file)[name](data) };
  } catch (error) {
    answer = { error: `${error.stack}` };
  }
  console.log(JSON.stringify(answer));
});
