// Node's zlib: the package of that name. Brotli is not there, by which packages know that they are not to ask for it.
const zlib = require("browserify-zlib");

const constants = {};
for (const [name, value] of Object.entries(zlib)) if (/^Z_[A-Z_]+$/.test(name)) constants[name] = value;
for (const [index, name] of [
  "NONE",
  "DEFLATE",
  "INFLATE",
  "GZIP",
  "GUNZIP",
  "DEFLATERAW",
  "INFLATERAW",
  "UNZIP",
].entries())
  constants[name] = index;
module.exports = Object.assign(zlib, { constants });
