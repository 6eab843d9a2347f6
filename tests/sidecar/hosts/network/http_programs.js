// What is asked of a peer by http: each is run by Node and in the sandbox, and both say the same.
const http = require("http");
const net = require("net");

const told = (error) => ({ code: error.code, message: error.message, name: error.name, syscall: error.syscall });
const collected = async (stream) => {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces).toString("latin1");
};
// What comes of a request: its answer, whole, or its error; and the events of both in their order.
const asked = (options, body, more = {}) =>
  new Promise((resolve) => {
    const events = [];
    const end = { events };
    const request = http.request(options);
    const note = (emitter, name, ...events_) => {
      for (const event of events_) emitter.on(event, () => events.push(`${name} ${event}`));
    };
    note(request, "request", "finish", "abort", "timeout", "continue", "close");
    request.on("error", (error) => {
      end.error = told(error);
      events.push("request error");
    });
    request.on("information", ({ statusCode, headers }) => (end.information ??= []).push([statusCode, headers]));
    request.on("response", (response) => {
      note(response, "response", "end", "aborted", "close");
      const { statusCode, statusMessage, httpVersion, headers, rawHeaders } = response;
      Object.assign(end, { statusCode, statusMessage, httpVersion, headers, rawHeaders });
      delete headers.date;
      const pieces = [];
      if (more.listens !== false)
        response.on("error", (error) => {
          end.responseError = told(error);
          events.push("response error");
        });
      response.on("data", (piece) => {
        pieces.push(piece);
        end.body = Buffer.concat(pieces).toString("latin1");
        more.heard?.(request, response, end.body);
      });
      response.on("end", () => Object.assign(end, { complete: response.complete, trailers: response.rawTrailers }));
      response.on("close", () => (end.aborted = response.aborted));
    });
    request.on("close", () => setTimeout(() => resolve(end), 20));
    more.begun?.(request);
    if (body !== undefined) request.end(body);
    else if (!more.waits) request.end();
  });
const at = (port, path, more) => ({ host: "127.0.0.1", port, path, agent: false, ...more });

module.exports = {
  length: ({ port, path }) =>
    new Promise((resolve) => {
      let length = 0;
      http
        .get(at(port, path), (response) => {
          response.on("data", (piece) => (length += piece.length));
          response.on("error", () => {});
        })
        .on("error", ({ code }) => resolve({ code, length }));
    }),

  error: ({ url }) =>
    new Promise((resolve) => {
      http.get(url, () => resolve({})).on("error", (error) => resolve(told(error)));
    }),

  asked: ({ port, path, body, options }) => asked(at(port, path, options), body),

  heads: async ({ port }) => {
    const made = async (options, body, more) => {
      const { connection, ...said } = JSON.parse((await asked(at(port, "/echo", options), body, more)).body);
      return said;
    };
    return [
      await made({}),
      await made({ method: "post" }, "é"),
      await made({ method: "POST" }),
      await made(
        { method: "POST", headers: { "Content-Length": 2, "X-List": ["a", "b"], cookie: ["c=1", "d=2"] } },
        "ok",
      ),
      await made({ method: "PUT", headers: { "Transfer-Encoding": "chunked" } }, Buffer.from([0, 255])),
      await made({ method: "DELETE", headers: { "content-length": 3 } }, "abc"),
      await made({ method: "POST", headers: { Connection: "close", Host: "other.example" } }, "x"),
      await made({ auth: "user:pass", headers: ["X-A", "1", "X-B", "2"] }),
      await made({ method: "POST" }, undefined, {
        waits: true,
        begun: (request) => {
          request.setHeader("X-Late", "1");
          request.removeHeader("x-never");
          request.write("one");
          request.write(Buffer.from(" two"));
          setTimeout(() => request.end(" three"), 5);
        },
      }),
      await made({ method: "POST", agent: new http.Agent({ keepAlive: true }) }, "kept"),
    ];
  },

  expects: ({ port }) =>
    asked(at(port, "/echo", { method: "POST", headers: { Expect: "100-continue", "Content-Length": 4 } }), undefined, {
      waits: true,
      begun: (request) => request.on("continue", () => request.end("body")),
    }).then((end) => ({ ...end, body: { ...JSON.parse(end.body), connection: 0 } })),

  get: ({ port }) =>
    new Promise((resolve, reject) => {
      http
        .get(`http://127.0.0.1:${port}/json?a=b#c`, { headers: { a: "b" } }, async (response) => {
          response.setEncoding("utf8");
          let text = "";
          for await (const piece of response) text += piece;
          resolve([text, response.req.path, response.req.host, response.headers["content-type"]]);
        })
        .on("error", reject);
    }),

  keepsAlive: async ({ port }) => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
    const one = () =>
      new Promise((resolve, reject) => {
        const request = http.get({ host: "127.0.0.1", port, path: "/echo", agent }, async (response) => {
          const { connection } = JSON.parse(await collected(response));
          resolve([connection, request.reusedSocket]);
        });
        request.on("error", reject);
      });
    const first = [await one(), await one()];
    await new Promise((resolve) => setTimeout(resolve, 5));
    const [{ length: free }] = Object.values(agent.freeSockets);
    const at_once = await Promise.all([one(), one(), one(), one()]);
    agent.destroy();
    return [
      first[0][0] === first[1][0],
      free,
      at_once.map(([, reused]) => reused),
      new Set(at_once.map(([number]) => number)).size,
    ];
  },

  afterSplit: async ({ port }) => {
    const agent = new http.Agent({ keepAlive: true });
    const made = (path) => asked({ host: "127.0.0.1", port, path, agent }).then(({ body }) => body);
    const all = [await made("/split"), await made("/json")];
    agent.destroy();
    return all;
  },

  aborts: async ({ port }) => [
    await asked(at(port, "/waits"), undefined, { begun: (request) => setTimeout(() => request.destroy(), 200) }),
    await asked(at(port, "/waits"), undefined, { begun: (request) => request.destroy(new Error("mine")) }),
    await asked(at(port, "/waits"), undefined, { begun: (request) => setTimeout(() => request.abort(), 200) }),
    await asked(at(port, "/begins"), undefined, { heard: (request) => request.destroy() }),
    await asked(at(port, "/begins"), undefined, { heard: (request) => request.destroy(new Error("mine")) }),
    await asked(at(port, "/begins"), undefined, { heard: (_, response) => response.destroy() }),
  ],

  signals: async ({ port }) => {
    const late = new AbortController();
    setTimeout(() => late.abort(), 200);
    const early = new AbortController();
    early.abort();
    return [
      await asked(at(port, "/waits", { signal: late.signal })),
      await asked(at(port, "/waits", { signal: early.signal })),
    ];
  },

  timesOut: async ({ port }) => [
    await asked(at(port, "/waits", { timeout: 250 }), undefined, {
      begun: (request) => request.on("timeout", () => request.destroy(new Error("late"))),
    }),
    await asked(at(port, "/begins"), undefined, {
      begun: (request) => request.setTimeout(250, () => request.destroy()),
    }),
  ],

  upgrades: ({ port }) =>
    new Promise((resolve, reject) => {
      const request = http.request(at(port, "/upgrade", { headers: { Connection: "Upgrade", Upgrade: "echo" } }));
      request.on("error", reject);
      request.on("upgrade", async (response, socket, head) => {
        socket.write("hello");
        let said = "";
        for await (const piece of socket) {
          said += piece;
          if (said === "HELLO") socket.end();
        }
        resolve([response.statusCode, response.headers.upgrade, head.toString(), said]);
      });
      request.end();
    }),

  refuses: async () => {
    const wrong = [
      () => http.request({ path: "/a b" }),
      () => http.request({ method: "G T" }),
      () => http.request({ protocol: "https:" }),
      () => http.request({ headers: { "X Y": "1" } }),
      () => http.request({ headers: { X: "a\nb" } }),
      () => http.request({ headers: { X: undefined } }),
      () => http.request({ agent: 5 }),
      () => http.request({ host: 5 }),
      () => http.request({ timeout: "x" }),
      () => {
        try {
          http.request("no url");
        } catch ({ code, name }) {
          throw { code, name };
        }
      },
      () => http.validateHeaderName("a:b"),
      () => http.validateHeaderValue("a", "\0"),
    ];
    return wrong.map((make) => {
      try {
        make().destroy();
        return "made";
      } catch ({ code, name, message }) {
        return [code, name, message];
      }
    });
  },

  names: () => [http.METHODS, http.STATUS_CODES, http.maxHeaderSize],

  isIP: ({ texts }) => texts.map((text) => net.isIP(text)),

  talks: ({ port }) =>
    new Promise((resolve) => {
      const events = [];
      const socket = net.connect(port, "127.0.0.1");
      events.push([socket.connecting, socket.readyState, socket.pending]);
      for (const name of ["connect", "ready", "end", "finish", "drain"]) socket.on(name, () => events.push(name));
      let said = "";
      socket.setEncoding("utf8");
      socket.on("data", (piece) => (said += piece));
      socket.on("close", (hadError) =>
        resolve([events, hadError, said, socket.bytesRead, socket.bytesWritten, socket.destroyed, socket.remotePort]),
      );
      socket.write("GET /json HTTP/1.1\r\n");
      socket.end("\r\n");
    }),

  netFails: ({ free }) =>
    Promise.all(
      [
        { port: free, host: "127.0.0.1" },
        { port: 443, host: "no-such-name.invalid" },
      ].map(
        (options) =>
          new Promise((resolve) => {
            const socket = net.connect(options);
            let error;
            socket.on("error", (thrown) => (error = thrown));
            socket.on("close", (hadError) => {
              const { code, errno, syscall, address, port, hostname } = error;
              resolve([hadError, code, errno, syscall, address, port, hostname]);
            });
          }),
      ),
    ),

  netRefuses: () =>
    [
      () => net.connect({}),
      () => net.connect({ port: "x" }),
      () => net.connect({ port: 70000 }),
      () => net.connect({ port: 80, host: 5 }),
      () => new net.Socket().setTimeout("x"),
      () => new net.Socket().setTimeout(-1),
    ].map((make) => {
      try {
        make();
        return "made";
      } catch ({ code, name, message }) {
        return [code, name, message];
      }
    }),
};
