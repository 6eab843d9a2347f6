// What is asked of a peer over TLS: each is run by Node and in the sandbox, and both say the same.
const https = require("https");
const net = require("net");
const tls = require("tls");

const told = ({ code, message, name }) => ({ code, message, name });
const get = (options) =>
  new Promise((resolve) => {
    https
      .get({ host: "127.0.0.1", agent: false, path: "/json", ...options }, (response) => {
        let text = "";
        response.on("data", (piece) => (text += piece));
        response.on("end", () =>
          resolve([text, response.socket.authorized, response.socket.encrypted, response.socket.alpnProtocol]),
        );
      })
      .on("error", (error) => resolve(told(error)));
  });

module.exports = {
  get: ({ options }) => get(options),
  code: async ({ options }) => (await get(options)).code,

  shows: ({ port, servername }) =>
    new Promise((resolve, reject) => {
      const events = [];
      const socket = tls.connect({ host: "127.0.0.1", port, servername }, () => events.push("called"));
      for (const name of ["connect", "secure", "secureConnect", "end", "finish"])
        socket.on(name, () => events.push(name));
      socket.on("error", reject);
      let said = "";
      socket.setEncoding("latin1").on("data", (piece) => (said += piece));
      socket.write("GET /until-end HTTP/1.1\r\n\r\n");
      socket.on("secureConnect", () => {
        const { subject, issuer, subjectaltname, fingerprint256, serialNumber, valid_to, raw } =
          socket.getPeerCertificate();
        const protocol = [socket.getProtocol(), socket.getCipher().name, socket.authorized, socket.encrypted];
        socket.on("close", () =>
          resolve([
            { ...subject },
            { ...issuer },
            subjectaltname,
            fingerprint256,
            serialNumber,
            valid_to,
            raw.length,
            protocol,
            said,
            events,
          ]),
        );
      });
    }),

  upgrades: ({ port, servername }) =>
    new Promise((resolve, reject) => {
      const plain = net.connect(port, "127.0.0.1");
      plain.on("error", reject);
      plain.write("AUTH TLS\n");
      plain.once("data", (greeting) => {
        const socket = tls.connect({ socket: plain, servername }, () => socket.write("secret"));
        socket.on("error", reject);
        socket.once("data", (said) => {
          socket.end();
          socket.on("close", () => resolve([greeting.toString(), said.toString(), plain.destroyed]));
        });
      });
    }),

  identities: ({ asked }) =>
    asked.map(([name, subjectaltname, CN]) => {
      const error = tls.checkServerIdentity(name, { subjectaltname, subject: CN === undefined ? {} : { CN } });
      return error === undefined ? null : [error.code, error.message, error.reason, error.host];
    }),

  ownCheck: async ({ port, servername }) => {
    const seen = [];
    const checkServerIdentity = (name, certificate) => {
      seen.push(name, certificate.subject.CN);
      return Object.assign(new Error("not whom I know"), { code: "MINE" });
    };
    return [await get({ port, servername, checkServerIdentity }), seen];
  },

  keepsAlive: async ({ port, servername }) => {
    const agent = new https.Agent({ keepAlive: true });
    const one = () =>
      new Promise((resolve, reject) => {
        const request = https.get({ host: "127.0.0.1", port, servername, agent, path: "/json" }, (response) => {
          response.resume().on("end", () => setTimeout(() => resolve(request.reusedSocket), 20));
        });
        request.on("error", reject);
      });
    const all = [await one(), await one(), await one()];
    agent.destroy();
    return all;
  },
};
