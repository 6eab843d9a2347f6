// A Worker: main is called for one message after the other, in a run that goes on between them. Input: nothing.
//
// Host call: mailbox.next(done), the id of the message that main has come to its end with or null, is answered with
// {id, attempt, data}, or with null once the Worker is to end. A message that main fails on ends the run.
(granted) => {
  "use strict";
  const { host, renewLog } = granted;

  const around = (main) => async () => {
    let done = null;
    for (;;) {
      const given = await host("mailbox.next", [done]);
      if (given === null) return;
      renewLog();
      await main(given.data, { id: given.id, attempt: given.attempt });
      done = given.id;
    }
  };

  return {
    prepare: () => ({}),
    collect: () => ({ returned: null }),
    caught: () => undefined,
    around,
    tellsRejection: () => true,
  };
};
