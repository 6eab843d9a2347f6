return (name) => ({ load, bound, start, poll, takeLines, reset, ...turns })[name];
