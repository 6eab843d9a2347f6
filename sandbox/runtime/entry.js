return { __proto__: null, load, start, poll, adapt, expectIntl, makeWeb, ...turns };
