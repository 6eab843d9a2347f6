describe('menu', () => {
  const menu = script('menu.js', { vars: '../vars/menu.toml' });

  it('says when Acme is open', async () => {
    const call = await menu.call({ keys: '1' });
    expect(call.said).toEqual(['This is Acme. Opening hours: 1. Hear yourself: 2.', 'From eight to six.']);
    expect(call.outcome).toBe('returned');
  });

  it('gives back what the caller says until he hangs up', async () => {
    const call = await menu.call({ keys: '2,wait 30,hangup' });
    expect(call.did.at(-1)).toMatch(/^echoes/);
    expect(call).toMatchObject({ outcome: 'hung_up', record: { hangup_by: 'caller' } });
  });

  it('asks three times', async () => {
    const call = await menu.call({ keys: '9,wait 60' });
    expect(call.said).toHaveLength(4);
    expect(call.said.at(-1)).toBe('Goodbye.');
  });
});
