describe('time of day', () => {
  const timeOfDay = script('time-of-day.js', { vars: '../vars/time-of-day.toml' });
  const destination = (gateway) => ({ gw: { [gateway]: { cli: '442079460123' } } });
  const call = { routing: { egress_routing: [destination('london'), destination('frankfurt')] } };

  it.each([
    ['2026-01-05T06:59Z', 1],
    ['2026-01-05T07:00Z', 2],
    ['2026-01-05T16:59Z', 2],
    ['2026-01-05T17:00Z', 1],
  ])('at %s it tries %i', async (now, destinations) => {
    const decision = await timeOfDay.route(call, { now });
    expect(decision.routing.egress_routing).toHaveLength(destinations);
    expect(decision.routing.egress_routing.at(-1).gw).toHaveProperty('frankfurt');
  });
});
