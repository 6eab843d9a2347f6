import { incr } from 'cxKV';

export async function main() {
  await incr('breaks');
  await fetch(process.env.CREDIT + 'breaks');
}
