// Answers, speaks a menu and does what the key says. Each await waits until that is complete on the call.
async function main(data, ctx) {
  await ctx.answer();
  for (let tries = 0; tries < 3; tries += 1) {
    await ctx.tts('This is ' + data.company + '. Opening hours: 1. Hear yourself: 2.');
    const key = await ctx.ivr(null, 4, 1, 1);
    if (key.value === '1') {
      await ctx.tts('From ' + data.open + ' to ' + data.close + '.');
      return;
    }
    if (key.value === '2') {
      await ctx.echo();
    }
  }
  await ctx.tts('Goodbye.');
}
