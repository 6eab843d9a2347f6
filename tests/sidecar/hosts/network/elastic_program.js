// elasticemail-webapiclient in ordinary use over the network: run by Node and in the sandbox, and both say the same.
const { failure } = require("./failure");

module.exports = {
  elastic: async ({ url }) => {
    const { client } = require("elasticemail-webapiclient");
    const options = { apiUri: `${url}/elastic/`, apiVersion: "v2", apiKey: "key" };
    const elastic = new client(options);
    const stranger = new client({ ...options, apiKey: "other" });
    // It has an older axios in Node, which gives no codes.
    const { message, status } = await failure(elastic.Email.Status({ messageID: "1" }));
    return [
      Object.keys(elastic),
      await elastic.Account.Load(),
      await elastic.Email.Send({
        to: "zoë@b.example",
        subject: "Hello",
        bodyText: "one\r\ntwo",
        isTransactional: "true",
      }),
      await elastic.Contact.List({ limit: "2" }),
      await stranger.Account.Load().catch((error) => [typeof error]),
      [message, status],
    ];
  },
};
