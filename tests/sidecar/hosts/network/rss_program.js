// rss-parser in ordinary use over the network: run by Node and in the sandbox, and both say the same.
const { failure } = require("./failure");

module.exports = {
  rss: async ({ url }) => {
    const Parser = require("rss-parser");
    const feed = await new Parser().parseURL(`${url}/feed`);
    return [
      feed.title,
      feed.items.map(({ title, link, isoDate }) => [title, link, isoDate]),
      await failure(new Parser().parseURL(`${url}/none`)),
      await failure(new Parser({ timeout: 200 }).parseURL(`${url}/waits`)),
    ];
  },
};
