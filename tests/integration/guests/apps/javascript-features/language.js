export default {
    let_and_const() { let a = 1; { let a = 2; void a; } const b = 2; try { eval("b = 3"); } catch (error) { return [a, b, error.name]; } },
    arrows: () => [1, 2, 3].map((n) => n * 2),
    classes() {
        class Shape { static #made = 0; #sides; constructor(sides) { this.#sides = sides; Shape.#made++; } get sides() { return this.#sides; } static made() { return Shape.#made; } static { this.ready = true; } has(one) { return #sides in one; } }
        class Square extends Shape { name = "square"; constructor() { super(4); } toString() { return `${this.name} ${super.sides}`; } }
        const one = new Square();
        return [`${one}`, Shape.made(), Shape.ready, one.has(one), one.has({}), one instanceof Shape];
    },
    destructuring() { const { a, b: { c = 3, ...rest }, ["d"]: d } = { a: 1, b: { e: 5, f: 6 }, d: 4 }; const [x, , y = 9, ...z] = [1, 2, undefined, 4, 5]; return [a, c, rest, d, x, y, z]; },
    rest_and_spread() { const sum = (first, ...more) => more.reduce((a, b) => a + b, first); return [sum(...[1, 2], ...new Set([3])), { ...{ a: 1 }, b: 2 }]; },
    templates() { const tag = (parts, ...values) => parts.raw.join("|") + values.join(","); return [`a${1 + 1}b\n`, tag`x${1}\n${2}y`]; },
    for_of() { const seen = []; for (const [key, value] of new Map([["a", 1], ["b", 2]])) seen.push(key + value); for (const one of "a\u{1f30d}") seen.push(one); return seen; },
    generators() { function* count(to) { for (let i = 1; i <= to; i++) { const reset = yield i; if (reset) i = 0; } return "end"; } const one = count(3); return [one.next().value, one.next(true).value, [...count(3)], [...(function* () { yield* count(2); })()]]; },
    async async_await() { const later = async (value) => { await null; return value; }; const seen = []; try { await Promise.reject(new TypeError("no")); } catch (error) { seen.push(error.message); } finally { seen.push("finally"); } return [await later(1), ...(await Promise.all([later(2), 3])), ...seen]; },
    async async_iteration() { async function* count() { yield 1; yield 2; } const seen = []; for await (const one of count()) seen.push(one); return seen; },
    optional_chaining() { const one = { a: { b: [1] } }; return [one?.a?.b?.[0], one.x?.y.z === undefined, one.f?.() === undefined]; },
    nullish() { let a = null, b = 0, c = 1; a ??= 5; b ||= 6; c &&= 7; return [null ?? 1, 0 ?? 1, a, b, c]; },
    exponent: () => [2 ** 10, (-2) ** 3, 2 ** -1],
    map_and_set() { const map = new Map([[NaN, 1], [{}, 2]]); const set = new Set([1, 1, 2]); return [map.get(NaN), map.size, set.size, [...set.union(new Set([3]))], Object.groupBy([1, 2, 3], (n) => n % 2 ? "odd" : "even")]; },
    weak() { const key = {}; const map = new WeakMap([[key, 1]]); return [map.get(key), new WeakRef(key).deref() === key, new WeakSet([key]).has(key)]; },
    async promises() { const all = await Promise.allSettled([Promise.resolve(1), Promise.reject(2)]); const { promise, resolve } = Promise.withResolvers(); resolve("given"); return [all.map((one) => one.status), await Promise.any([Promise.reject(1), 2]), await Promise.race([3, new Promise(() => {})]), await promise]; },
    proxies() { const seen = []; const one = new Proxy({ a: 1 }, { get: (target, key, self) => { seen.push(key); return Reflect.get(target, key, self) ?? "none"; }, has: () => true }); return [one.a, one.b, "z" in one, seen]; },
    regular_expressions() { const { groups } = /(?<year>\d{4})-(?<month>\d\d)/u.exec("on 2026-11-29"); return [groups.year, groups.month, "aXbX".replaceAll("X", "-"), [..."a1b2".matchAll(/[a-z](\d)/g)].map((m) => m[1]), /(?<=\$)\d+/.exec("$42")[0], /^\p{Lu}/u.test("Ä"), /a.c/s.test("a\nc"), "x".replace(/(?<n>x)/, "$<n>$<n>"), /[\p{L}--[a-z]]/v.test("a")]; },
    bigints: () => [String(2n ** 100n), typeof 1n, String(BigInt.asUintN(8, 257n)), String(-7n / 2n), 1n < 2],
    typed_arrays() { const floats = new Float32Array([1.5, 2.5]); const view = new DataView(new ArrayBuffer(8)); view.setInt16(0, -2, true); return [[...new Uint8Array(floats.buffer)], [...floats.map((n) => n * 2)], view.getUint16(0, true), [...new Uint8ClampedArray([300, -5])], String(new BigInt64Array([5n])[0]), [...new Uint8Array([3, 1, 2]).toSorted()]]; },
    symbols() { const own = Symbol("own"); const one = { [own]: 1, [Symbol.toPrimitive]: () => 42, *[Symbol.iterator]() { yield 1; } }; return [one[own], +one, [...one], Symbol.for("a") === Symbol.for("a"), own.description]; },
    newer_methods: () => [[1, [2, [3]]].flat(Infinity), [3, 1].toSorted(), [1, 2, 3].at(-1), [1, 2, 3].findLast((n) => n < 3), [1, 2].with(0, 9), Object.fromEntries([["a", 1]]), "ab".padStart(4, "-"), "abc".at(-1), Object.hasOwn({ a: 1 }, "a"), structuredClone.name, Array.from({ length: 2 }, (_, i) => i), "\ud800".isWellFormed(), Iterator.from([1, 2]).map((n) => n + 1).toArray()],
    errors() { try { try { throw new Error("in"); } catch (cause) { throw new RangeError("out", { cause }); } } catch (error) { return [error.name, error.cause.message, new AggregateError([1], "all").errors, error instanceof Error]; } },
    labels_and_switch() { let n = 0; outer: for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) { if (j === 1) continue outer; if (i === 2) break outer; n += 10 * i + 1; } switch (n) { case 12: return "twelve"; default: return n; } },
    getters() { const one = { n: 1, get double() { return this.n * 2; }, set double(value) { this.n = value / 2; } }; one.double = 10; return [one.n, one.double]; },
    dates: () => [new Date(Date.UTC(2026, 10, 29, 12)).toISOString(), new Date("2026-11-29T00:00:00Z").getTime(), Date.UTC(1970, 0)],
    json: () => [JSON.stringify({ a: [1, undefined, () => 1], b: new Date(0), c: undefined }), JSON.parse('{"a": [1, {"b": null}]}', (key, value) => value === null ? "null" : value)],
    numbers: () => [1_000_000, 0b101, 0o17, 0xff, (0.1 + 0.2).toFixed(2), (255).toString(36), Number("1e3"), Math.hypot(3, 4), Math.clz32(1), Number.isSafeInteger(2 ** 53), (1234.5678).toPrecision(6)],
    sloppy_and_strict: () => [(function () { return typeof this; })(), (0, eval)("(function () { return typeof this; })()")],
};
