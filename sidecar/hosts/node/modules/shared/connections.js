// What connections of the host are asked by, and their errors with all that Node's have.
const { module: moduleOf } = require("scriptforge:runtime");

// uv.h: what an error of the system has for a number on Linux.
const NUMBERS = {
  EACCES: -13,
  ECONNABORTED: -103,
  ECONNREFUSED: -111,
  ECONNRESET: -104,
  EAI_AGAIN: -3001,
  EHOSTUNREACH: -113,
  ENETUNREACH: -101,
  ENOTFOUND: -3008,
  EPIPE: -32,
  ETIMEDOUT: -110,
};

const numbered = (error, more) => {
  if (NUMBERS[error.code] !== undefined) error.errno = NUMBERS[error.code];
  return error.syscall === undefined ? error : Object.assign(error, more);
};

const host = () => {
  const connections = moduleOf("connections");
  if (connections === undefined) {
    const error = new Error("connections are not among the modules that this script was granted");
    throw Object.assign(error, { code: "ERR_OUTGOING_REFUSED" });
  }
  return connections;
};

module.exports = { host, numbered };
