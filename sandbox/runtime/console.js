// console.*: a bounded log of the run. Past the bound one line says that the rest is cut.
// A line counts as this many characters more than it has: the daemon, which serves everybody, takes each one in hand.
const LINE_LENGTH = 32;
let logBound = 0;
let logRoom = 0;
const renewLog = () => {
  logRoom = logBound;
};

const printable = (value) => {
  if (typeof value === "string") return value;
  if (typeof value === "function") return "[Function]";
  if (typeof value !== "object" || value === null) return text(value);
  if (value instanceof NativeError) return text(value.stack ? `${value.name}: ${value.message}` : value);
  const json = stringify(value);
  return json === undefined ? text(value) : json;
};

const log =
  (level) =>
  (...values) => {
    if (logRoom <= 0) return;
    let line = "";
    for (let index = 0; index < values.length && line.length <= logRoom; index++) {
      let part;
      try {
        part = printable(values[index]);
      } catch {
        part = "[unprintable]";
      }
      line += index ? ` ${part}` : part;
    }
    const kept = cut(line, logRoom);
    logRoom -= kept.length + LINE_LENGTH;
    addLine(level, kept);
    if (kept.length < line.length || logRoom <= 0) {
      logRoom = 0;
      addLine("warn", "[console output past the limit is cut]");
    }
  };

define("console", {
  log: log("log"),
  info: log("info"),
  warn: log("warn"),
  error: log("error"),
  debug: log("debug"),
  trace: log("debug"),
});
