module.exports = require("./shared/errors").absent("dgram", ["createSocket", "Socket"]);
