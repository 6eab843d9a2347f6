const functions = { __proto__: null, load, bound, start, poll, takeLines, reset, ...turns };
return (name) => functions[name];
