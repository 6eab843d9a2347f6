// helpscout-2.0 in ordinary use over the network: run by Node and in the sandbox, and both say the same.
const http = require("http");
const https = require("https");
const { urlToHttpOptions } = require("url");

// It knows one address, its makers': what is asked of that is asked of a server on this machine.
const askHere = (port) => {
  https.request = (...given) => {
    const [first, more] = given;
    const asked = first instanceof URL ? { ...urlToHttpOptions(first), ...more } : first;
    const headers = Object.fromEntries(Object.entries(asked.headers).filter(([name]) => name.toLowerCase() !== "host"));
    const path = `/help-scout${asked.path}`;
    return http.request({ host: "127.0.0.1", port, path, method: asked.method, headers }, given.find(isFunction));
  };
};
const isFunction = (one) => typeof one === "function";
const told = (promise) => promise.catch((error) => [error instanceof Error, error.message ?? error]);

module.exports = {
  helpScout: async ({ port, nobody }) => {
    askHere(port);
    const HelpScout = require("helpscout-2.0");
    const desk = new HelpScout({ clientId: "me", clientSecret: "secret" });
    const refused = await told(new HelpScout({ clientId: "nobody", clientSecret: "" }).getAccessToken());
    const { expiresAt, ...token } = await desk.getAccessToken();
    const raw = await desk.rawApi("PUT", "https://api.helpscout.net/v2/raw", { name: "Zoë" });
    const said = [
      refused,
      [token, expiresAt > Date.now()],
      await desk.list("conversations", "status=active"),
      await desk.list("mailboxes"),
      await desk.get("conversations", 11, ["threads", "tags"]),
      await desk.create("customers", { firstName: "Zoë" }),
      await desk.addNoteToConversation(11, "a note"),
      [await desk.updatePut("customers", 7, {}), await desk.updatePatch("customers", 7, {})].length,
      [await desk.delete("customers", 7)].length,
      [raw.statusCode, JSON.parse(raw.body), raw.headers["content-type"]],
      await told(desk.get("customers", 8)),
      await new Promise((done) => desk.get("customers", 8, null, null, (error) => done(["called back", error]))),
    ];
    askHere(nobody);
    said.push(await told(desk.get("conversations", 11)));
    return said;
  },

  // What one asks for by its own credentials, of a module that keeps what it was given first.
  token: async ({ port, client }) => {
    askHere(port);
    const HelpScout = require("helpscout-2.0");
    return (await new HelpScout({ clientId: client, clientSecret: "secret" }).getAccessToken()).access_token;
  },
};
