async function main(data) {
  const url = 'https://api.example.com/numbers';
  const body = data.bytes
    ? Uint8Array.from(data.bytes)
    : new URLSearchParams({ number: data.routing.dest_number, name: 'ä' });
  const answer = await fetch(url, { method: 'POST', body, headers: { 'X-A': '1' } });
  if (data.bytes) console.log(String(await answer.bytes()));
  else {
    const { cli } = await answer.json();
    console.log(cli, answer.status, answer.headers.get('x-left'), answer.headers.get('content-type'));
  }
}
