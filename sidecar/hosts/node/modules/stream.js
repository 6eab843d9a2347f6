const stream = require("readable-stream/lib/stream.js");
const { unavailable } = require("./shared/errors");

for (const Class of [stream.Readable, stream.Writable, stream.Duplex]) {
  for (const name of ["toWeb", "fromWeb"]) {
    Class[name] = () => {
      throw unavailable(`stream.${Class.name}.${name}`);
    };
  }
}
module.exports = stream;
