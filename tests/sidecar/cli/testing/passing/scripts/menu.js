import cxC5Server from 'cxC5Server';
import { kv } from 'cxKV';

export async function main(data) {
  const call = new cxC5Server(process.env.CORRELATION_ID);
  await call.answer();
  const name = await kv.get('name:' + data.cli);
  await call.tts('Hello ' + (name ?? data.stranger));
  const pin = await call.ivr('user/pin.wav', 5, 4, 4);
  await new Promise((resolve) => setTimeout(resolve, 240_000));
  await call.tts(pin.status + ' ' + pin.value + ' at ' + new Date().getUTCMinutes());
  const other = await call.bridge('user/alice', true);
  await call.log(other.status);
}
