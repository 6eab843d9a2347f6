describe('do not call', () => {
  const doNotCall = script('do-not-call.js', { vars: { do_not_call: { numbers: ['493099950001'] } } });
  const call = (number) => ({ routing: { cli: '442079460123', dest_number: number, egress_routing: [] } });

  it.each(['493099950001', '+493099950001', '00493099950001'])('refuses %s', async (number) => {
    expect(await doNotCall.route(call(number))).toMatchObject({ action: 'reject', code: 603, reason: 'Do Not Call' });
  });

  it('lets other numbers pass', async () => {
    expect((await doNotCall.route(call('493099950002'))).action).toBe('route');
  });
});
