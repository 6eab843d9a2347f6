import { incr } from "cxKV";

const DAY: number = 24 * 60 * 60;

/** Which call of this number it is; a day after its last one it begins with 1 again. */
export function count(number: string): Promise<number> {
  return incr(`calls:${number}`, 1, DAY);
}
