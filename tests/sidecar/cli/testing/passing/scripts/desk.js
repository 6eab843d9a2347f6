import { publish, subscribe } from 'cxPubSub';

export async function main(data) {
  const heard = [];
  await subscribe('desk', 'a', (note) => heard.push(note));
  await publish('desk', 'a', 'hi');
  await publish('desk', 'b', 'ho');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  console.log(JSON.stringify(heard));
}
