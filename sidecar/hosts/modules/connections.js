// Connections as net, tls and dns of the sandbox have them: bytes cross in base64, which the engine reads and writes itself.
// What fails is told by [error, answer], with Node's code, to whoever has asked.
({ ask, listen }) => {
  const { fromBase64 } = Uint8Array;
  const { toBase64, subarray } = Uint8Array.prototype;
  const { apply } = Reflect;
  const { assign } = Object;
  const PIECE = 262144; // as sidecar/hosts/modules/connections.py takes at once

  const errorOf = ({ code, message, syscall }) => {
    const error = new Error(message);
    error.code = code;
    if (syscall !== "") error.syscall = syscall;
    return error;
  };
  const answered = (answer) => {
    if (answer.failed !== undefined) throw errorOf(answer.failed);
    return answer;
  };

  return {
    connect: async (host, port) => answered(await listen("connect", host, port)),
    addresses: async (host) => answered(await listen("addresses", host)).addresses,
    upgrade: async (number, name, ca, protocols) => {
      const shown = answered(await listen("upgrade", number, name, ca, protocols));
      const { certificate } = shown;
      return assign(shown, {
        certificate: assign(certificate, { raw: apply(fromBase64, Uint8Array, [certificate.raw]) }),
      });
    },
    // Bytes; none at the end, and undefined where it becomes TLS meanwhile.
    read: async (number) => {
      const { data } = answered(await listen("read", number));
      return data === undefined ? undefined : apply(fromBase64, Uint8Array, [data]);
    },
    write: async (number, bytes) => {
      for (let at = 0; at < bytes.length; at += PIECE) {
        const piece = apply(subarray, bytes, [at, at + PIECE]);
        answered(await listen("write", number, apply(toBase64, piece, [])));
      }
    },
    halfClose: async (number) => {
      answered(await listen("halfClose", number));
    },
    close: async (number) => {
      answered(await listen("close", number));
    },
  };
};
