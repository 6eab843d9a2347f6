// What a script is told of servers and archives that mean it no good.
const failure = async (promise) => {
  try {
    return { given: (await promise).status };
  } catch (error) {
    return { code: error.code, message: error.message, cause: error.cause?.code };
  }
};
const unpacked = (archive) =>
  new Promise((resolve, reject) => {
    require("fs").writeFileSync("/tmp/a.zip", Buffer.from(archive, "base64"));
    const Unzip = require("decompress-zip");
    new Unzip("/tmp/a.zip").on("error", reject).on("extract", resolve).extract({ path: "/tmp/out" });
  });

module.exports = {
  axios: ({ url, options }) => failure(require("axios").get(url, options)),
  http: ({ url }) =>
    new Promise((resolve) => {
      let length = 0;
      const ended = ({ code } = {}) => resolve({ code, length });
      require("http")
        .get(url, (response) => {
          response.on("data", (piece) => (length += piece.length));
          response.on("error", ended).on("end", ended);
        })
        .on("error", ended);
    }),
  unpack: async ({ archive }) => {
    await unpacked(archive);
    const { readdirSync, statSync } = require("fs");
    return readdirSync("/tmp/out").map((name) => statSync(`/tmp/out/${name}`).size);
  },
  gunzip: ({ packed }) => require("zlib").gunzipSync(Buffer.from(packed, "base64")).length,
};
