// Packages read its constants before they know whether they will use it.
const constants = new Proxy({}, { get: (_, name) => (typeof name === "string" ? name : undefined) });

module.exports = {
  constants,
  ...require("./shared/errors").absent("http2", ["connect", "createServer", "createSecureServer"]),
};
