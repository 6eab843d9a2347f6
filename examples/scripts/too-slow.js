// Has a mistake: it waits for something that never happens. Its assignment's time limit ends it, and the
// assignment's timeout action is the answer to the call. No other call waits meanwhile.
function main(data) {
  let attempts = 0;
  while (!data.rates_loaded) {
    attempts += 1;
  }
  data.headers = [{ key: 'X-Attempts', value: attempts }];
  return data;
}
