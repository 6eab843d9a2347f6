const { sms } = require('cxSend');

export async function send({ key, phone }) {
  if (key !== process.env.KEY) throw new Error('401 Unauthorized');
  if (!/^\d{6,15}$/.test(phone)) throw new Error('400 No Phone');
  console.log('to', phone);
  await new Promise((resolve) => setTimeout(resolve, 8_000));
  return { status: 'sent', parts: await sms(phone, 'Hello') };
}
export const broken = (data) => data.none.at;
export const text = ({ _company }) => 'for ' + _company.name;
export const patient = () => new Promise((resolve) => setTimeout(resolve, 3_600_000));
function secret() {
  return process.env.KEY;
}
export default () => 42;
