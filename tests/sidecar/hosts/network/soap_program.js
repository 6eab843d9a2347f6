// soap in ordinary use over the network: run by Node and in the sandbox, and both say the same.

module.exports = {
  soap: async ({ url }) => {
    const soap = require("soap");
    const client = await soap.createClientAsync(`${url}/service?wsdl`);
    const [result] = await client.AddAsync({ a: 2, b: 3 });
    client.setSecurity(new soap.BasicAuthSecurity("u", "p"));
    const [again, , , sent] = await client.AddAsync({ a: 4, b: 5 });
    let fault;
    try {
      await client.AddAsync({ a: "fault", b: 0 });
    } catch (error) {
      fault = [error.message, error.root?.Envelope?.Body?.Fault?.faultcode];
    }
    return [Object.keys(client.describe()), result, again, client.lastRequest.includes("fault"), typeof sent, fault];
  },
};
