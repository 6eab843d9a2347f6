async function main(data) {
  const before = process.env.currency;
  await setEnvVar(data.name ?? 'currency', data.value);
  const { currency } = await getEnvVars();
  console.log(before, process.env.currency, currency, process.env.other);
}
