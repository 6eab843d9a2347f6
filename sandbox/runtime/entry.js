return { __proto__: null, load, bound, start, poll, reset, adapt, expectIntl, ...turns };
