"""events, stream, assert, timers, process, fs and what is smaller: as Node's own, on the same program."""

import pytest

from tests.sidecar.hosts.node.comparison import Both


@pytest.mark.parametrize(
    "body",
    [
        "const e = new EventEmitter(); const said = []; e.on('a', (x) => said.push(x)); e.once('a', () => said.push('o'));"
        " e.prependListener('a', () => said.push('p')); return [e.emit('a', 1), e.emit('a', 2), e.emit('b'), said]",
        "const e = new EventEmitter(); e.on('error', () => {}); return [e.emit('error', new Error('x')), e.listenerCount('error')]",
        "new EventEmitter().emit('error', new TypeError('mine'))",
        "new EventEmitter().emit('error', 'text')",
        "new EventEmitter().on('a', 5)",
        "const e = new EventEmitter(); const f = () => {}; e.on('a', f); e.off('a', f); return [e.eventNames(), e.listeners('a')]",
        "const e = new EventEmitter(); const said = []; e.on('newListener', (n) => said.push(n)); e.on('x', () => {}); return said",
        "const e = new EventEmitter(); setTimeout(() => e.emit('go', 1, 2), 1); return events.once(e, 'go')",
        "const e = new EventEmitter(); setTimeout(() => e.emit('error', new Error('no')), 1); return events.once(e, 'go')",
        "const e = new EventEmitter(); setTimeout(() => { e.emit('a', 1); e.emit('a', 2) }, 1); const got = [];"
        " for await (const [one] of events.on(e, 'a')) { got.push(one); if (one === 2) break } return got",
        "const c = new AbortController(); setTimeout(() => c.abort(), 1);"
        " return events.once(new EventEmitter(), 'x', { signal: c.signal })",
        "const said = []; const e = new EventEmitter(); e.on(events.errorMonitor, (x) => said.push(x.message));"
        " try { e.emit('error', new Error('seen')) } catch (error) { said.push('thrown') } return said",
        "class A extends EventEmitter {} const a = new A(); return [a instanceof EventEmitter, a.getMaxListeners()]",
        "const e = new EventEmitter(); const f = () => {}; e.once('a', f); return [e.rawListeners('a')[0].listener === f,"
        " events.getEventListeners(e, 'a')[0] === f]",
    ],
)
def test_events(both: Both, body: str) -> None:
    both.answer(f"const events = require('events'); const {{ EventEmitter }} = events; {body}")


@pytest.mark.parametrize(
    "body",
    [
        "const got = []; for await (const one of Readable.from(['a', 'b', 'c'])) got.push(one); return got",
        "const up = new Transform({ transform(c, _, done) { done(null, c.toString().toUpperCase()) } });"
        " up.end('abc'); up.setEncoding('utf8'); const got = []; for await (const one of up) got.push(one); return got",
        "const got = []; await promises.pipeline(Readable.from([1, 2, 3]), async function* (source) {"
        " for await (const one of source) yield one * 2 }, new Writable({ objectMode: true,"
        " write(c, _, done) { got.push(c); done() } })); return got",
        "const r = new Readable({ read() {} }); r.push('a'); r.push(null); r.setEncoding('utf8');"
        " return new Promise((resolve) => { const got = []; r.on('data', (d) => got.push(d)).on('end', () => resolve(got)) })",
        "const p = new PassThrough({ highWaterMark: 3 }); return [p.write('ab'), p.write('cd'), p.writableLength,"
        " p.read(2).toString(), p.readableLength]",
        "return promises.pipeline(Readable.from(['a']), new Writable({ write(c, e, done) { done(new Error('full')) } }))",
        "const w = new Writable({ write(c, e, done) { done() } }); w.end(); w.on('error', () => {});"
        " return new Promise((resolve) => w.write('x', (error) => resolve([error.code, error.message])))",
        "const r = Readable.from([1, 2, 3, 4]); return r.filter((n) => n % 2).map((n) => n * 10).toArray()",
        "const d = new Duplex({ read() { this.push('x'); this.push(null) }, write(c, e, done) { done() } });"
        " const got = []; for await (const one of d) got.push(`${one}`); return [got, d.writable, d.destroyed]",
        "const r = new Readable({ read() {} }); r.destroy(new Error('gone')); return new Promise((resolve) =>"
        " finished(r, (error) => resolve(error.message)))",
        "const said = []; const r = Readable.from(['a', 'b']); r.pipe(new Writable({ objectMode: true, write(c, e, done)"
        " { said.push(c); done() }, final(done) { said.push('final'); done() } })).on('finish', () => said.push('finish'));"
        " await promises.finished(r); await new Promise((resolve) => setTimeout(resolve, 5)); return said",
        "const w = new Writable({ writev(chunks, done) { this.got = chunks.map((one) => `${one.chunk}`); done() } });"
        " w.cork(); w.write('a'); w.write('b'); w.uncork(); w.end(); await promises.finished(w); return w.got",
        "return new Promise((_, reject) => new Readable().on('error', reject).read())",
        "new Writable().write(null)",
        "return [require('stream/promises').pipeline === promises.pipeline, stream.Stream === stream, typeof stream.compose]",
        "const r = Readable.from(Buffer.from('abcdef')); const got = []; r.on('readable', () => { let c;"
        " while ((c = r.read(2)) !== null) got.push(`${c}`) }); await promises.finished(r); return got",
    ],
)
def test_streams(both: Both, body: str) -> None:
    names = "Readable, Writable, Duplex, Transform, PassThrough, finished, promises"
    both.answer(f"const stream = require('stream'); const {{ {names} }} = stream; {body}")


@pytest.mark.parametrize(
    "body",
    [
        "assert(true); assert.ok(1); assert.equal(1, '1'); assert.strictEqual(1, 1); assert.deepEqual({ a: 1 }, { a: '1' })",
        "assert.deepStrictEqual([{ a: new Date(1) }], [{ a: new Date(1) }]); assert.notStrictEqual(1, 2)",
        "assert.strictEqual(1, 2)",
        "assert.strictEqual('a', 'b')",
        "assert.equal(1, 2)",
        "assert.notEqual(1, 1)",
        "assert.strictEqual(1, 2, new RangeError('mine'))",
        "assert.fail()",
        "assert.fail('said')",
        "assert.ifError(null); assert.ifError(new Error('x'))",
        "assert.throws(() => { throw new TypeError('a') }, TypeError); assert.throws(() => { throw new Error('abc') }, /b/)",
        "assert.throws(() => {})",
        "assert.throws(() => {}, 'message')",
        "assert.throws(() => { throw new Error('a') }, TypeError)",
        "assert.throws(() => { throw Object.assign(new Error('a'), { code: 5 }) }, { code: 5, message: 'a' })",
        "assert.doesNotThrow(() => {})",
        "assert.doesNotThrow(() => { throw new Error('a') })",
        "await assert.rejects(Promise.reject(new Error('a')), /a/); await assert.rejects(Promise.resolve())",
        "await assert.doesNotReject(Promise.resolve())",
        "assert.match('abc', /x/)",
        "assert.match('abc', /b/); assert.doesNotMatch('abc', /x/)",
        "try { assert.strictEqual(1, 2) } catch (e) { return [e.actual, e.expected, e.operator, e.generatedMessage] }",
        "return [assert.strict.equal === assert.strictEqual, require('assert/strict') === assert.strict]",
        "assert.notDeepStrictEqual({ a: 1 }, { a: 2 }); assert.notDeepEqual([1], [2])",
        "throw new assert.AssertionError({ actual: 1, expected: 2, operator: 'strictEqual' })",
    ],
)
def test_assertions(both: Both, body: str) -> None:
    both.answer(f"const assert = require('assert'); {body}")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{ a: 1 }", "{ a: 1, b: undefined }"),
        ("[1, , 2]", "[1, undefined, 2]"),
        ("new Set([{ a: 1 }, 2])", "new Set([2, { a: 1 }])"),
        ("new Map([[1, { a: 1 }]])", "new Map([[1, { a: 2 }]])"),
        ("/a/g", "/a/i"),
        ("new Date(0)", "new Date(1)"),
        ("Buffer.from('a')", "new Uint8Array([97])"),
        ("new Error('a')", "new Error('b')"),
        ("Object(1)", "Object(2)"),
        ("{ a: NaN }", "{ a: NaN }"),
        ("[0]", "[-0]"),
        ("null", "undefined"),
        ("{ a: [1, { b: 2 }] }", "{ a: [1, { b: 2 }] }"),
        ("[1, 2]", "{ 0: 1, 1: 2, length: 2 }"),
        ("new (class A { x = 1 })()", "{ x: 1 }"),
        ("'a'", "['a']"),
        ("{ [Symbol.for('a')]: 1 }", "{ [Symbol.for('a')]: 2 }"),
    ],
)
def test_what_is_deeply_equal(both: Both, first: str, second: str) -> None:
    both.value(f"""const assert = require('assert');
      const is = (check) => {{ try {{ check({first}, {second}); return true }} catch {{ return false }} }};
      return [is(assert.deepEqual), is(assert.deepStrictEqual), is(assert.notDeepEqual), is(assert.notDeepStrictEqual),
        require('util').isDeepStrictEqual({first}, {second})]""")


@pytest.mark.parametrize(
    "body",
    [
        "const said = []; process.nextTick((x) => said.push(x), 'tick'); Promise.resolve().then(() => said.push('then'));"
        " setImmediate(() => said.push('immediate')); said.push('now');"
        " await new Promise((resolve) => setTimeout(resolve, 5)); return said",
        "const t = require('timers/promises'); return [await t.setTimeout(1, 'a'), await t.setImmediate('b')]",
        "const t = require('timers/promises'); const c = new AbortController(); setTimeout(() => c.abort(), 1);"
        " return t.setTimeout(1000, 'a', { signal: c.signal })",
        "const { setTimeout: later, clearTimeout: clear } = require('timers'); const timer = later(() => {}, 5);"
        " clear(timer); return [typeof timer, typeof timer.unref, timer.hasRef()]",
        "return [process.platform, typeof process.pid, process.version.startsWith('v20'), typeof process.hrtime.bigint()]",
        "return Object.prototype.toString.call(process)",
        "return [typeof process.env, process.argv.length > 0, process.exitCode, process.stdout.isTTY ?? false]",
        "const [s, n] = process.hrtime(process.hrtime()); return [s, n >= 0]",
        "return require('os').EOL + require('os').platform() + require('os').tmpdir()",
        "process.nextTick(5)",
        "return [require('tty').isatty(1), typeof require('perf_hooks').performance.now()]",
        "const { AsyncResource } = require('async_hooks'); return new AsyncResource('x').runInAsyncScope((a) => a, null, 5)",
        "const c = require('diagnostics_channel').channel('a'); const said = []; c.subscribe((m) => said.push(m));"
        " c.publish(1); return [said, c.hasSubscribers]",
    ],
)
def test_the_process_and_its_time(both: Both, body: str) -> None:
    both.answer(body)


FOLDER = "const fs = require('fs'); fs.rmSync('/tmp/scriptforge-q', { recursive: true, force: true });"
FOLDER += " fs.mkdirSync('/tmp/scriptforge-q/a/b', { recursive: true }); process.chdir?.call; const at = '/tmp/scriptforge-q';"


@pytest.mark.parametrize(
    "body",
    [
        "fs.writeFileSync(`${at}/x`, 'hello'); fs.appendFileSync(`${at}/x`, ' you'); return fs.readFileSync(`${at}/x`, 'utf8')",
        "fs.writeFileSync(`${at}/x`, Buffer.from([1, 2])); return [...fs.readFileSync(`${at}/x`)]",
        "fs.writeFileSync(`${at}/a/f`, ''); return [fs.readdirSync(at), fs.readdirSync(`${at}/a`),"
        " fs.readdirSync(`${at}/a`, { withFileTypes: true }).map((one) => [one.name, one.isDirectory()])]",
        "fs.writeFileSync(`${at}/x`, 'abc'); const s = fs.statSync(`${at}/x`); return [s.size, s.isFile(), s.isDirectory(),"
        " s.mtime instanceof Date, fs.statSync(at).isDirectory()]",
        "fs.writeFileSync(`${at}/x`, 'abc'); fs.renameSync(`${at}/x`, `${at}/y`); fs.copyFileSync(`${at}/y`, `${at}/z`);"
        " fs.unlinkSync(`${at}/y`); return fs.readdirSync(at)",
        "const f = fs.openSync(`${at}/x`, 'w+'); fs.writeSync(f, 'abcdef'); fs.writeSync(f, 'ZZ', 1);"
        " const b = Buffer.alloc(4); const n = fs.readSync(f, b, 0, 4, 0); fs.closeSync(f); return [n, `${b}`]",
        "return new Promise((resolve) => fs.writeFile(`${at}/x`, 'abc', () => fs.readFile(`${at}/x`, 'utf8',"
        " (e, text) => fs.stat(`${at}/x`, (e2, s) => resolve([e, text, s.size])))))",
        "const p = fs.promises; await p.writeFile(`${at}/x`, 'abc'); const h = await p.open(`${at}/x`);"
        " const got = (await h.readFile()).toString(); await h.close(); return [got, (await p.readdir(at)).length]",
        "const { pipeline } = require('stream/promises'); fs.writeFileSync(`${at}/x`, 'a'.repeat(100000));"
        " await pipeline(fs.createReadStream(`${at}/x`), fs.createWriteStream(`${at}/y`)); return fs.statSync(`${at}/y`).size",
        "const got = []; fs.writeFileSync(`${at}/x`, 'abcdef'); for await (const one of fs.createReadStream(`${at}/x`,"
        " { start: 1, end: 3, encoding: 'utf8' })) got.push(one); return got",
        "return new Promise((resolve) => fs.createReadStream(`${at}/none`).on('error', (e) => resolve([e.code, e.message])))",
        "fs.mkdirSync(at)",
        "fs.rmdirSync(at)",
        "fs.unlinkSync(`${at}/a`)",
        "fs.readFileSync(`${at}/a`)",
        "fs.writeFileSync(`${at}/a`, '')",
        "fs.mkdirSync(`${at}/no/no`)",
        "fs.readdirSync(`${at}/none`)",
        "fs.writeFileSync(`${at}/x`, ''); fs.readdirSync(`${at}/x`)",
        "fs.writeFileSync(`${at}/x`, ''); fs.readFileSync(`${at}/x/y`)",
        "fs.openSync(`${at}/none`, 'r+')",
        "fs.closeSync(9999)",
        "fs.copyFileSync(`${at}/none`, `${at}/y`)",
        "fs.renameSync(`${at}/none`, `${at}/y`)",
        "fs.renameSync(at, `${at}/a/inside`)",
        "fs.accessSync(`${at}/none`)",
        "return [fs.existsSync(`${at}/none`), fs.existsSync(at), fs.statSync(`${at}/n`, { throwIfNoEntry: false })]",
        "fs.writeFileSync(`${at}/x`, 'abcdef'); fs.truncateSync(`${at}/x`, 2); return `${fs.readFileSync(`${at}/x`)}`",
        "fs.writeFileSync(`${at}/x`, 5)",
        "return fs.realpathSync(`${at}/../scriptforge-q/a`)",
        "return fs.mkdtempSync(`${at}/t-`).startsWith(`${at}/t-`)",
        "fs.writeFileSync(`${at}/x`, '', { flag: 'wx' }); fs.writeFileSync(`${at}/x`, '', { flag: 'wx' })",
    ],
)
def test_files(both: Both, body: str) -> None:
    both.answer(f"{FOLDER} {body}")


@pytest.mark.parametrize(
    "body",
    [
        "require('child_process').execSync('ls')",
        "require('crypto').createSign('sha256')",
        "require('fs').symlinkSync('a', 'b')",
        "require('vm').runInThisContext('1')",
        "require('util').parseArgs()",
        "process.exit()",
        "new (require('async_hooks').AsyncLocalStorage)()",
        "new (require('worker_threads').Worker)('a')",
        "require('http2').connect('https://a')",
        "require('stream').Readable.toWeb()",
    ],
)
def test_what_is_not_there_says_so(both: Both, body: str) -> None:
    found = both.ours(body)["error"]
    assert found["code"] == "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM"
    assert "is not available to scripts" in found["message"]
