// ftp in ordinary use over the network: run by Node and in the sandbox, and both say the same.
const told = (error) => ({ code: error.code, message: error.message, name: error.name });

module.exports = {
  ftp: ({ port, secure, ca }) =>
    new Promise((resolve, reject) => {
      const Client = require("ftp");
      const { Readable } = require("stream");
      const client = new Client();
      const result = {};
      const step = (error) => {
        if (error) reject(error);
      };
      client.on("error", (error) => resolve({ error: told(error) }));
      client.on("close", () => resolve(result));
      client.on("greeting", (text) => (result.greeting = text));
      client.on("ready", () => {
        client.put(Buffer.from("first\nsecond\n"), "a.txt", (error) => {
          step(error);
          client.put(Readable.from([Buffer.alloc(150_000, "x"), "end"]), "large.bin", (error) => {
            step(error);
            client.list((error, list) => {
              step(error);
              result.list = list.map(({ name, size, type }) => [name, size, type]).sort();
              client.get("large.bin", (error, stream) => {
                step(error);
                let length = 0;
                let last = "";
                stream.on("data", (piece) => {
                  length += piece.length;
                  last = piece.subarray(-3).toString();
                });
                stream.once("close", () => {
                  result.got = [length, last];
                  client.get("none.txt", (error) => {
                    result.missing = [error.code, error.message];
                    client.mkdir("folder", (error) => {
                      step(error);
                      client.rename("a.txt", "folder/b.txt", (error) => {
                        step(error);
                        client.size("folder/b.txt", (error, size) => {
                          step(error);
                          result.size = size;
                          client.delete("large.bin", (error) => {
                            step(error);
                            client.end();
                          });
                        });
                      });
                    });
                  });
                });
              });
            });
          });
        });
      });
      client.connect({
        host: "127.0.0.1",
        port,
        user: "u",
        password: "p",
        secure,
        secureOptions: { ca, servername: "localhost" },
      });
    }),
};
