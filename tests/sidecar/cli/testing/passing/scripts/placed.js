import { originate } from 'cxOriginate';
import { C5 } from 'cxCallControl';

export async function place({ phone }) {
  return (await originate(1207, 'main', '201', phone, phone)).id;
}
export async function follow() {
  const c5 = await C5(['main']);
  const call = await c5.originate('acme', 'main', '1', '2', '3');
  await call.answered();
  return 'answered';
}
export const look = async () => [await api.lookup.hlr('49'), await api.send.email({ to: 'x@x.example' })];
