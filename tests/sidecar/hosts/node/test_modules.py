"""Modules of npm's in ordinary use, by require and by import: as real Node has them on the same program."""

import pytest

from tests.sidecar.hosts.node.comparison import Both

CSV = 'id,name,price\\n1,Ada,2.5\\n2,"B, C",3\\n'
RSS = (
    '<?xml version="1.0"?><rss version="2.0"><channel><title>News</title><link>http://a.b</link><item><title>One</title>'
    "<link>http://a.b/1</link><pubDate>Mon, 02 Jan 2023 10:00:00 GMT</pubDate><description>&lt;b&gt;x&lt;/b&gt;</description>"
    "<guid>g1</guid></item></channel></rss>"
)

PROGRAMS = {
    "card-validator": [
        "const v = require('card-validator'); return [v.number('4111111111111111'), v.number('4111'),"
        " v.expirationDate('10/2031').isValid, v.cvv('123', 3), v.postalCode('12345'), v.cardholderName('A B')]",
    ],
    "csv-parse": [
        f"return require('csv-parse/lib/sync')({CSV!r}.replaceAll('\\\\n', '\\n').replaceAll('\\\\\"', '\"'), {{ columns: true }})",
        "return require('csv-parse/lib/sync')('a;b\\n1;2', { delimiter: ';', cast: true })",
        "require('csv-parse/lib/sync')('a,b\\n1', { columns: true })",
        "return new Promise((resolve) => require('csv-parse')('a,b\\n1,2', (e, rows) => resolve(rows)))",
    ],
    "data-forge": [
        "const { DataFrame } = require('data-forge'); const d = new DataFrame([{ a: 1, b: 'x' }, { a: 3, b: 'y' }, { a: 5, b: 'x' }]);"
        " return [d.where((r) => r.a > 1).toArray(), d.getSeries('a').sum(), d.getSeries('a').average(),"
        " d.groupBy((r) => r.b).select((g) => ({ b: g.first().b, n: g.count() })).toArray(), d.toCSV(), d.orderBy((r) => -r.a).first()]",
        "return require('data-forge').fromCSV('a,b\\n1,2\\n3,4').parseInts(['a', 'b']).toArray()",
        "return require('data-forge').fromJSON('[{\"a\":1}]').toString()",
    ],
    "fast-csv": [
        "const csv = require('fast-csv'); return new Promise((resolve, reject) => { const rows = [];"
        " csv.parseString('a,b\\n1,2\\n3,4', { headers: true }).on('data', (r) => rows.push(r)).on('error', reject)"
        " .on('end', (n) => resolve([rows, n])) })",
        "return require('fast-csv').writeToString([['a', 'b'], ['1', 'x,y']])",
        "return require('fast-csv').writeToBuffer([{ a: 1, b: 2 }], { headers: true }).then(String)",
    ],
    "fast-toml": [
        "return require('fast-toml').parse('a = 1\\n[b]\\nc = \"d\"\\ne = [1, 2]\\n[[f]]\\ng = 1979-05-27T07:32:00Z')",
        "require('fast-toml').parse('a = ')",
    ],
    "moment": [
        "const moment = require('moment'); const m = moment.utc('2023-01-31T10:20:30Z'); return [m.format(), m.clone().add(1, 'month')"
        ".format('YYYY-MM-DD'), m.format('dddd, MMMM Do YYYY, h:mm:ss a'), m.diff(moment.utc('2022-12-25'), 'days'),"
        " m.isBefore('2024-01-01'), moment.duration(3661, 'seconds').humanize(), moment.utc('31/12/2020', 'DD/MM/YYYY', true).isValid(),"
        " moment.utc('nope', 'YYYY', true).isValid(), m.toISOString(), m.startOf('week').format(), moment.isMoment(m)]",
    ],
    "tough-cookie": [
        "const { Cookie, CookieJar } = require('tough-cookie'); const jar = new CookieJar();"
        " await jar.setCookie('a=b; Path=/; Domain=example.com; Secure', 'https://example.com/x');"
        " jar.setCookieSync('c=d; Max-Age=3600', 'http://www.example.com/');"
        " return [await jar.getCookieString('https://www.example.com/'), jar.getCookieStringSync('http://www.example.com/'),"
        " Cookie.parse('k=v; HttpOnly; SameSite=Lax').toString(), (await jar.getCookies('https://example.com')).length]",
        "return new (require('tough-cookie').CookieJar)().setCookie('a=b; Domain=com', 'http://x.com/')",
    ],
    "rss-parser": [
        f"return new (require('rss-parser'))().parseString({RSS!r})",
        "return new (require('rss-parser'))().parseString('not a feed')",
    ],
    "stripe": [
        "const stripe = new (require('stripe'))('sk_test_x'); const payload = JSON.stringify({ id: 'evt_1', object: 'event', type: 'charge.succeeded' });"
        " const timestamp = Math.floor(Date.now() / 1000);"
        " const header = stripe.webhooks.generateTestHeaderString({ payload, secret: 'whsec_x', timestamp });"
        " const event = stripe.webhooks.constructEvent(payload, header, 'whsec_x'); const said = [event.id, event.type];"
        " try { stripe.webhooks.constructEvent(payload, header, 'whsec_y') } catch (error) { said.push(error.type, error.message.split('.')[0]) }"
        " return said",
        "const Stripe = require('stripe'); return [typeof Stripe, typeof new Stripe('sk_test_x').charges.create, Stripe.API_VERSION]",
    ],
    "decompress-zip": [
        # An archive of one stored and one deflated file, unpacked into the files of the run.
        "const fs = require('fs'), zlib = require('zlib'); const crc = (b) => { let c = ~0; for (const x of b) { c ^= x;"
        " for (let k = 0; k < 8; k++) c = (c >>> 1) ^ (0xedb88320 & -(c & 1)) } return ~c >>> 0 };"
        " const parts = [], central = []; let at = 0; for (const [name, text, deflates] of [['a.txt', 'hello', false], ['d/b.txt', 'x'.repeat(500), true]]) {"
        " const raw = Buffer.from(text), data = deflates ? zlib.deflateRawSync(raw) : raw, n = Buffer.from(name), h = Buffer.alloc(30);"
        " h.writeUInt32LE(0x04034b50); h.writeUInt16LE(20, 4); h.writeUInt16LE(deflates ? 8 : 0, 8); h.writeUInt32LE(crc(raw), 14);"
        " h.writeUInt32LE(data.length, 18); h.writeUInt32LE(raw.length, 22); h.writeUInt16LE(n.length, 26); const c = Buffer.alloc(46);"
        " c.writeUInt32LE(0x02014b50); c.writeUInt16LE(20, 4); c.writeUInt16LE(20, 6); h.copy(c, 10, 8, 28); c.writeUInt16LE(n.length, 28); c.writeUInt32LE(at, 42);"
        " central.push(c, n); parts.push(h, n, data); at += 30 + n.length + data.length }"
        " const size = central.reduce((s, b) => s + b.length, 0), e = Buffer.alloc(22); e.writeUInt32LE(0x06054b50); e.writeUInt16LE(2, 8);"
        " e.writeUInt16LE(2, 10); e.writeUInt32LE(size, 12); e.writeUInt32LE(at, 16);"
        " fs.rmSync('/tmp/sfz', { recursive: true, force: true }); fs.mkdirSync('/tmp/sfz'); fs.writeFileSync('/tmp/sfz/a.zip', Buffer.concat([...parts, ...central, e]));"
        " const D = require('decompress-zip'); const log = await new Promise((resolve, reject) => new D('/tmp/sfz/a.zip').on('error', reject).on('extract', resolve)"
        ".extract({ path: '/tmp/sfz/out' })); return [log, fs.readFileSync('/tmp/sfz/out/a.txt', 'utf8'), fs.readFileSync('/tmp/sfz/out/d/b.txt').length]",
        "const fs = require('fs'); fs.writeFileSync('/tmp/sfz-no.zip', 'no archive at all, no archive at all'); return new Promise((resolve) =>"
        " new (require('decompress-zip'))('/tmp/sfz-no.zip').on('error', (e) => resolve(e.message)).on('list', resolve).list())",
    ],
    "dayjs": [
        "const dayjs = require('dayjs'); const utc = require('dayjs/plugin/utc'); dayjs.extend(utc); const d = dayjs.utc('2023-01-31T10:20:30Z');"
        " return [d.format('YYYY-MM-DD HH:mm'), d.add(1, 'month').format(), d.diff(dayjs.utc('2022-01-01'), 'day'), d.isAfter('2020-01-01')]",
    ],
    "lodash": [
        "const _ = require('lodash'); return [_.chunk([1, 2, 3], 2), _.groupBy([1.2, 1.8, 2.1], Math.floor), _.get({ a: [{ b: 1 }] }, 'a[0].b'),"
        " _.cloneDeep({ a: new Date(0) }), _.debounce.length, _.sortBy([{ a: 2 }, { a: 1 }], 'a'), _.template('hi <%= a %>')({ a: 1 }), _.camelCase('a b'),"
        " _.isEqual({ a: [1] }, { a: [1] }), _.merge({ a: { b: 1 } }, { a: { c: 2 } }), _.isBuffer(Buffer.from('a')), _.uniq([1, 1])]",
        "return require('lodash/fp').map((n) => n * 2)([1, 2])",
    ],
    "zod": [
        "const { z } = require('zod'); const S = z.object({ a: z.string().min(2), b: z.number().optional(), c: z.enum(['x', 'y']) });"
        " const wrong = S.safeParse({ a: '1', c: 'z' }); return [S.parse({ a: 'ab', c: 'x' }), wrong.success, wrong.error.issues, z.string().email().safeParse('a@b.co').success]",
        "require('zod').z.number().parse('x')",
    ],
    "libphonenumber-js": [
        "const { parsePhoneNumber, isValidPhoneNumber, AsYouType } = require('libphonenumber-js/min'); const n = parsePhoneNumber('+442079460000');"
        " return [n.country, n.formatInternational(), n.formatNational(), n.isPossible(), isValidPhoneNumber('030 123456', 'DE'), new AsYouType('US').input('2133734253'), n.getURI()]",
        "require('libphonenumber-js').parsePhoneNumber('1')",
    ],
    "uuid": [
        "const { v5, validate, version, NIL, v4, parse, v7 } = require('uuid'); const id = v4(); return [v5('a', v5.URL), validate(id), version(id), NIL, [...parse(NIL)], version(v7())]",
    ],
    "nanoid": [
        "const { nanoid, customAlphabet } = require('nanoid'); return [nanoid().length, nanoid(5).length, /^[ab]{4}$/.test(customAlphabet('ab', 4)()), nanoid() !== nanoid()]",
    ],
    "date-fns": [
        "const d = require('date-fns'); const a = new Date(Date.UTC(2023, 0, 31, 12)); return [d.addMonths(a, 1).toISOString(), d.differenceInDays(a, new Date(0)), d.formatISO(a).slice(0, 10), d.isValid(new Date('x'))]",
    ],
    "ajv": [
        "const Ajv = require('ajv'); const check = new Ajv({ allErrors: true }).compile({ type: 'object', properties: { a: { type: 'integer', minimum: 2 }, b: { type: 'array', items: { enum: [1, 'x'] }, uniqueItems: true } }, required: ['a'], additionalProperties: false });"
        " return [check({ a: 3, b: [1, 'x'] }), check({ a: 1, c: 1, b: [2, 2] }), check.errors]",
        "new (require('ajv'))().compile({ type: 'nope' })",
    ],
    "jsonata": [
        "const jsonata = require('jsonata'); return [await jsonata('$sum(a.(b*c))').evaluate({ a: [{ b: 1, c: 2 }, { b: 3, c: 4 }] }), await jsonata('a[b>1].{ \"k\": b }').evaluate({ a: [{ b: 1 }, { b: 2 }] }), await jsonata('$uppercase(\"x\") & $string(1)').evaluate({})]",
        "require('jsonata')('a[')",
    ],
    "fast-xml-parser": [
        "const { XMLParser, XMLBuilder, XMLValidator } = require('fast-xml-parser'); const x = new XMLParser({ ignoreAttributes: false }).parse('<a b=\"1\"><c>2</c><c>3</c></a>');"
        " return [x, new XMLBuilder({ ignoreAttributes: false }).build(x), XMLValidator.validate('<a>')]",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "number"), [(name, n) for name, all_ in PROGRAMS.items() for n in range(len(all_))])
def test_by_require(modules: Both, name: str, number: int) -> None:
    modules.answer(PROGRAMS[name][number])


LACKING = {
    "libphonenumber-js": {
        *("AsYouTypeCustom", "PhoneNumberSearchCustom", "findPhoneNumbersCustom", "formatCustom", "getPhoneCodeCustom"),
        *("getCountryCallingCodeCustom", "getNumberTypeCustom", "isValidNumberCustom", "parseCustom"),
        "searchPhoneNumbersCustom",
    },
    "stripe": {"Stripe", "createStripe"},
}
"""What only the ES module of a package exports, and what `require` gives has not."""
IMPORTED = [
    "axios",
    "axios-cookiejar-support",
    "card-validator",
    "csv-parse",
    "data-forge",
    "decompress-zip",
    "fast-csv",
    "fast-toml",
    "ftp",
    "moment",
    "rss-parser",
    "soap",
    "stripe",
    "tough-cookie",
    "dayjs",
    "lodash",
    "zod",
    "libphonenumber-js",
    "uuid",
    "nanoid",
    "date-fns",
    "ajv",
    "jsonata",
    "fast-xml-parser",
]


@pytest.mark.parametrize("name", IMPORTED)
def test_by_import(modules: Both, name: str) -> None:
    """The default and what is imported by name are what Node gives. A package that is another one in Node where it is
    imported than where it is required is one for scripts, the latter; what has no default in Node has all as its."""
    body = f"""const all = await import({name!r}); const shown = all.default;
      return [typeof shown, Object.keys(all)]"""
    theirs, ours = modules.theirs(body)["value"], modules.ours(body)["value"]
    assert ours[0] == theirs[0] or theirs[0] == "undefined"
    # What Node shows of the way that a package was written is none of its names.
    assert set(theirs[1]) - {"module.exports", "__esModule"} - set(ours[1]) == LACKING.get(name, set())
