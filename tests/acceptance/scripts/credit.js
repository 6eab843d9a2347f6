import { balance } from 'credit';

async function main(data) {
  const credit = await balance(data.account);
  if (credit.balance <= 0) throw new Error('402 Payment Required');
  data.headers.push({ key: 'X-Credit', value: credit.balance }, { key: 'X-Asker', value: credit.asker });
}
