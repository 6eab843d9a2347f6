// axios in ordinary use over the network: run by Node and in the sandbox, and both say the same.
const OF_ITS_OWN = ["User-Agent", "Accept-Encoding"]; // the latter has br where there is Brotli
const { failure } = require("./failure");

module.exports = {
  axios: async ({ url }) => {
    const axios = require("axios");
    const client = axios.create({ baseURL: url, timeout: 5000 });
    const said = ({ status, statusText, data, headers }) => [status, statusText, data, headers["content-type"]];
    const cancelled = new AbortController();
    setTimeout(() => cancelled.abort(), 100);
    const form = new URLSearchParams({ a: "1", b: "ä" });
    const progress = [];
    return [
      said(await client.get("/json")),
      said(await client.get("/redirect")),
      (await client.get("/packed")).data.length,
      said(await client.get("/chunked", { responseType: "text" })),
      (await client.get("/json", { responseType: "arraybuffer" })).data.toString("hex"),
      (await client.post("/echo", { name: "Zoë", list: [1, 2] })).data.body,
      (await client.put("/echo", form)).data.body,
      (await client.post("/redirect-post", { a: 1 })).data,
      (await client.post("/redirect-same", { a: 1 })).data.body,
      (await client.get("/echo", { params: { q: "a b", list: [1, 2] }, auth: { username: "u", password: "p" } })).data,
      (await client.delete("/echo", { data: "body", headers: { "X-A": "1" } })).data,
      (await client.post("/echo", Buffer.alloc(100_000, "x"), { onUploadProgress: (p) => progress.push(p.loaded) }))
        .data.body.length,
      progress.at(-1),
      await failure(client.get("/error")),
      await failure(client.get("/waits", { timeout: 200 })),
      await failure(client.get("/waits", { signal: cancelled.signal })),
      await failure(client.get("/redirect-endless")),
      await failure(client.get("/leaves")),
      await failure(client.get("/leaves-within")),
      await failure(client.get("/no-http")),
      await failure(client.get("/json", { maxContentLength: 5 })),
      await failure(axios.get("http://no-such-name.invalid/")),
      (await client.get("/redirect", { maxRedirects: 0, validateStatus: () => true })).status,
    ].map((one) => {
      if (one?.headers) one.headers = one.headers.filter(([name]) => !OF_ITS_OWN.includes(name));
      if (one && typeof one === "object") delete one.connection;
      return one;
    });
  },

  axiosStreams: async ({ url }) => {
    const axios = require("axios");
    const { Readable } = require("stream");
    const { data } = await axios.get(`${url}/chunked`, { responseType: "stream" });
    const pieces = [];
    for await (const piece of data) pieces.push(piece);
    const sent = await axios.post(`${url}/echo`, Readable.from(["one ", "two ", "three"]));
    return [Buffer.concat(pieces).toString(), sent.data.body];
  },

  axiosOverTls: async ({ port, ca }) => {
    const axios = require("axios");
    const https = require("https");
    const agent = new https.Agent({ ca, keepAlive: true });
    const one = await axios.get(`https://localhost:${port}/json`, { httpsAgent: agent });
    agent.destroy();
    return [one.data, await failure(axios.get(`https://localhost:${port}/json`))];
  },
};
