// axios-cookiejar-support in ordinary use over the network: run by Node and in the sandbox, and both say the same.

module.exports = {
  cookies: async ({ url }) => {
    const axios = require("axios");
    const { wrapper } = require("axios-cookiejar-support");
    const { CookieJar } = require("tough-cookie");
    const jar = new CookieJar();
    const client = wrapper(axios.create({ jar }));
    const first = (await client.get(`${url}/cookies`)).data;
    const second = (await client.post(`${url}/cookies`, "text")).data;
    return [first, second, await jar.getCookieString(url), jar.toJSON().cookies.length];
  },
};
