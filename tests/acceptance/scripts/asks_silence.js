import { incr } from 'cxKV';

export async function main() {
  await incr('silence');
  await fetch(process.env.CREDIT + 'hangs');
}
