// scriptforge test examples
const gateways = (decision) => decision.routing.egress_routing.flatMap((destination) => Object.keys(destination.gw));

describe('cheapest first', () => {
  const cheapestFirst = script('cheapest-first.js', { vars: '../vars/cheapest-first.toml' });

  it('tries the cheapest destination first, and none that costs too much', async () => {
    const decision = await cheapestFirst.route('../calls/cheapest-first.json');
    expect(gateways(decision)).toEqual(['frankfurt', 'london']);
  });

  it('leaves no destination where all cost too much', async () => {
    const call = await fixture('../calls/cheapest-first.json');
    const decision = await cheapestFirst.route(call, { vars: { margin: { highest_rate: 0.001 } } });
    expect(decision).toMatchObject({ action: 'route', outcome: 'returned', routing: { egress_routing: [] } });
  });
});
