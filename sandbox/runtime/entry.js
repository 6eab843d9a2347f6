const functions = { __proto__: null, load, bound, start, correct, poll, takeLines, reset, expectIntl, ...turns };
return (name) => functions[name];
