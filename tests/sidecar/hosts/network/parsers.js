// Pieces of an answer, in hexadecimal, one question a line: what Node's own parser and ours make of them.
const { createInterface } = require("readline");
const { HTTPParser } = require("_http_common");
const { ResponseParser } = require(process.argv[2]);

const told = (error) => ["error", error.code];
const byNode = (pieces) => {
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.RESPONSE, {}, 16384, 0);
  const events = [];
  let more = [];
  let body = "";
  parser[HTTPParser.kOnHeaders] = (headers) => more.push(...headers);
  parser[HTTPParser.kOnHeadersComplete] = (major, minor, given, _method, _url, status, reason, upgrade, keepsAlive) => {
    const headers = more.length ? more : (given ?? []);
    more = [];
    events.push(["head", major, minor, status, reason, headers, upgrade, keepsAlive]);
    return upgrade ? 2 : 0;
  };
  parser[HTTPParser.kOnBody] = (bytes) => (body += bytes.toString("latin1"));
  parser[HTTPParser.kOnMessageComplete] = () => {
    events.push(["end", body, more]);
    body = "";
    more = [];
  };
  for (const piece of pieces) {
    const taken = parser.execute(piece);
    if (typeof taken !== "number") return { events: [...events, told(taken)], body };
    if (events.some(([name, ...rest]) => name === "head" && rest[5])) return { upgraded: true };
  }
  const ended = parser.finish();
  if (ended instanceof Error) events.push(told(ended));
  return { events, body };
};
const byOurs = (pieces) => {
  const events = [];
  let trailers = [];
  let body = "";
  const parser = new ResponseParser({
    head({ versionMajor, versionMinor, statusCode, statusMessage, headers, upgrade, keepsAlive }) {
      events.push(["head", versionMajor, versionMinor, statusCode, statusMessage, headers, upgrade, keepsAlive]);
    },
    body: (bytes) => (body += Buffer.from(bytes).toString("latin1")),
    trailers: (headers) => (trailers = headers),
    end() {
      events.push(["end", body, trailers]);
      body = "";
      trailers = [];
    },
  });
  try {
    for (const piece of pieces) {
      parser.execute(piece);
      if (parser.upgraded) return { upgraded: true };
    }
    parser.finish();
  } catch (error) {
    if (error.code === undefined) throw error;
    events.push(told(error));
  }
  return { events, body };
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const pieces = JSON.parse(line).map((piece) => Buffer.from(piece, "hex"));
  console.log(JSON.stringify([byNode(pieces), byOurs(pieces)]));
});
