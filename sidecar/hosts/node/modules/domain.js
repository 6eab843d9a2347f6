module.exports = require("./shared/errors").absent("domain", ["create", "createDomain"]);
