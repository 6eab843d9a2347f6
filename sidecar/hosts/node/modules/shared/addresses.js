// What is an address as Node's net has it (inet_pton, with the zone of a link).
const FOUR = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const GROUP = /^[0-9a-f]{1,4}$/i;

const isIPv4 = (given) => FOUR.test(`${given}`);
const isIPv6 = (given) => {
  const [address, zone, ...more] = `${given}`.split("%");
  if (more.length || zone === "" || (zone !== undefined && !/^[0-9a-zA-Z-.:]+$/.test(zone))) return false;
  const halves = address.split("::");
  if (halves.length > 2) return false;
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const last = groups.at(-1).at(-1);
  let count = 0;
  for (const half of groups) {
    for (const group of half) {
      if (group === last && half === groups.at(-1) && group.includes(".")) {
        if (!isIPv4(group)) return false;
        count += 2;
      } else {
        if (!GROUP.test(group)) return false;
        count++;
      }
    }
  }
  return halves.length === 2 ? count <= 7 : count === 8;
};
const isIP = (given) => (isIPv4(given) ? 4 : isIPv6(given) ? 6 : 0);

module.exports = { isIP, isIPv4, isIPv6 };
