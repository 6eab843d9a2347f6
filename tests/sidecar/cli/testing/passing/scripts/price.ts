export interface Tariff {
  rate: number;
}
export const price = (seconds: number, { rate }: Tariff): number => Math.ceil(seconds / 60) * rate;
export const broken = (): number => (undefined as any).rate;
