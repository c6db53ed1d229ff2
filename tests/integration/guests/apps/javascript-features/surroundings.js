const bytesOf = (text) => [...new TextEncoder().encode(text)];

export default {
    text_encoder: () => [bytesOf("aä€\u{1f30d}"), bytesOf("\ud800"), new TextEncoder().encodeInto("aä€", new Uint8Array(4))],
    text_decoder() {
        const stream = new TextDecoder();
        const parts = [stream.decode(new Uint8Array([0xe2, 0x82]), { stream: true }), stream.decode(new Uint8Array([0xac]), { stream: true }), stream.decode()];
        let refused;
        try { new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array([0xff])); } catch (error) { refused = error.name; }
        return [parts, new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x61, 0xff])), refused, new TextDecoder("utf-16le").decode(new Uint8Array([0x61, 0, 0xac, 0x20]))];
    },
    base64() { try { atob("*"); } catch (error) { return [btoa("any bytes\xff"), atob("aGVsbG8="), error.name]; } },
    random_values() { const a = crypto.getRandomValues(new Uint8Array(32)), b = crypto.getRandomValues(new Uint8Array(32)); return [a.length, a.some((n, i) => n !== b[i]), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()), crypto.randomUUID() !== crypto.randomUUID(), Math.random() !== Math.random(), Math.random() < 1]; },
    structured_clone() {
        const one = { date: new Date(5), map: new Map([["a", { b: 1 }]]), set: new Set([1]), error: new RangeError("no"), bytes: new Uint8Array([1, 2]), pattern: /a/gi, big: 1n };
        one.self = one;
        const copy = structuredClone(one);
        let refused;
        try { structuredClone({ call() {} }); } catch (error) { refused = error.name; }
        return [copy !== one, copy.self === copy, copy.date.getTime(), copy.map.get("a"), copy.map.get("a") !== one.map.get("a"), [...copy.set], copy.error instanceof RangeError, copy.error.message, [...copy.bytes], `${copy.pattern}`, refused];
    },
    async timers() {
        const seen = [];
        await new Promise((done) => {
            setTimeout((text) => seen.push(text), 3, "third");
            setTimeout(() => seen.push("second"), 1);
            clearTimeout(setTimeout(() => seen.push("never"), 2));
            let times = 0;
            const every = setInterval(() => { seen.push(`tick ${++times}`); if (times === 2) { clearInterval(every); done(); } }, 10);
            seen.push("first");
        });
        return seen;
    },
    async order_of_jobs() { const seen = []; setTimeout(() => seen.push("timer")); queueMicrotask(() => seen.push("microtask")); Promise.resolve().then(() => seen.push("then")); seen.push("now"); await new Promise((done) => setTimeout(done, 5)); return seen; },
    url() {
        const one = new URL("../x y?q=1&r=ä#f", "https://user:pw@EXAMPLE.com:8080/a/b/c");
        one.searchParams.append("z", "1 2");
        return [one.href, one.origin, one.host, one.pathname, one.searchParams.get("r"), new URL("http://[1:0:0:0::2]:80/").href, new URL("http://0x7f.1/").hostname, new URL("mailto:a@b").pathname, URL.canParse("nope"), `${new URLSearchParams({ a: "1&2", b: "ü" })}`];
    },
    performance: () => performance.now() >= 0,
    what_is_not_there: () => [typeof fetch, typeof process, typeof require, typeof Buffer, typeof window, typeof Intl, typeof WebAssembly, typeof XMLHttpRequest],
};
