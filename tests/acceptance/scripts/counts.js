import { incr } from 'cxKV';

export async function main(data) {
  if ((await incr('calls:' + data.routing.account_id, 1, 600)) <= 2) return;
  const answer = await fetch(process.env.CREDIT);
  throw new Error(`402 ${await answer.text()}`);
}
