// stripe in ordinary use over the network: run by Node and in the sandbox, and both say the same.

module.exports = {
  stripe: async ({ port }) => {
    const stripe = new (require("stripe"))("sk_test_1", {
      host: "127.0.0.1",
      port,
      protocol: "http",
      maxNetworkRetries: 0,
      telemetry: false,
    });
    const charge = await stripe.charges.create(
      { amount: 1200, currency: "eur", source: "tok_visa", metadata: { order: "7" } },
      { idempotencyKey: "k" },
    );
    const declined = await stripe.charges
      .create({ amount: 1, currency: "eur" })
      .catch((error) => [error.type, error.code, error.statusCode, error.message]);
    const payload = JSON.stringify({ id: "evt_1", object: "event" });
    const header = stripe.webhooks.generateTestHeaderString({ payload, secret: "whsec", timestamp: 1700000000 });
    const event = stripe.webhooks.constructEvent(payload, header, "whsec", 1e10);
    return [charge.id, charge.amount, charge.sent, declined, event.id];
  },
};
