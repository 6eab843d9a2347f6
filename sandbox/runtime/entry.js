const functions = { __proto__: null, load, bound, start, poll, takeLines, reset, expectIntl, ...turns };
return (name) => functions[name];
