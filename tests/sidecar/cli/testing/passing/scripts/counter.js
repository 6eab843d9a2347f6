const { kv, incr } = require('cxKV');

async function main(data) {
  const { cli } = data.routing;
  if (await kv.get('blocked:' + cli)) throw new Error('403 Blocked');
  const calls = await incr('calls:' + cli, 1, 120);
  if (calls > 2) {
    await kv.set('blocked:' + cli, '1', 600);
    throw new Error('486 Too Many Calls');
  }
  data.routing.dest_number = String(calls);
  await new Promise((resolve) => setTimeout(resolve, data.wait_ms ?? 1));
  return data;
}
