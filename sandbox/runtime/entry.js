return (name) => ({ load, start, poll, takeLines, reset, ...turns })[name];
