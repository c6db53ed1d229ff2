// URL and URLSearchParams, as https://url.spec.whatwg.org has them, without domain names beyond ASCII.
(function () {
    "use strict";
    const PORTS = { "http:": "80", "https:": "443", "ws:": "80", "wss:": "443", "ftp:": "21", "file:": "" };
    const isSpecial = (scheme) => Object.hasOwn(PORTS, scheme);
    const encoder = new TextEncoder(), decoder = new TextDecoder();
    const percent = (byte) => "%" + byte.toString(16).toUpperCase().padStart(2, "0");
    // Code points that are encoded in each place, beside controls and what is not ASCII.
    const FRAGMENT = ' "<>`', QUERY = ' "#<>', SPECIAL_QUERY = QUERY + "'", PATH = QUERY + "?^`{}", USER = PATH + "/:;=@[\\]|";

    function encode(text, set) {
        let out = "";
        for (const one of text) {
            const code = one.codePointAt(0);
            out += code > 0x20 && code < 0x7f && !set.includes(one) ? one : Array.from(encoder.encode(one), percent).join("");
        }
        return out;
    }

    function decode(text) {
        if (!text.includes("%")) return text;
        const bytes = encoder.encode(text), out = [];
        for (let i = 0; i < bytes.length; i++) {
            const digits = bytes[i] === 0x25 ? String.fromCharCode(bytes[i + 1], bytes[i + 2]) : "";
            if (/^[0-9a-f]{2}$/i.test(digits)) { out.push(parseInt(digits, 16)); i += 2; } else out.push(bytes[i]);
        }
        return decoder.decode(new Uint8Array(out));
    }

    const fail = (text) => { throw new TypeError(`Invalid URL: ${text}`); };

    function number(part) {
        if (!/^(0[xX][0-9a-fA-F]*|[0-9]+)$/.test(part)) return NaN;
        const isOctal = /^0[0-9]/.test(part);
        if (isOctal && /[89]/.test(part)) return NaN;
        return /^0[xX]/.test(part) ? (part.length > 2 ? parseInt(part.slice(2), 16) : 0) : parseInt(part, isOctal ? 8 : 10);
    }

    function ipv4(host) {
        const parts = host.split(".");
        if (parts.length > 1 && parts.at(-1) === "") parts.pop();
        if (!/^(0[xX][0-9a-fA-F]*|[0-9]+)$/.test(parts.at(-1))) return null;
        const numbers = parts.map(number);
        if (parts.length > 4 || numbers.some(isNaN) || numbers.slice(0, -1).some((one) => one > 255)) fail(host);
        if (numbers.at(-1) >= 256 ** (5 - parts.length)) fail(host);
        let value = numbers.at(-1);
        numbers.slice(0, -1).forEach((one, i) => { value += one * 256 ** (3 - i); });
        return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
    }

    function ipv6(text) {
        let rest = text;
        const dotted = /^(.*:)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(rest);
        if (dotted) {
            const bytes = dotted.slice(2).map(Number);
            if (bytes.some((one) => one > 255)) fail(text);
            rest = dotted[1] + (bytes[0] * 256 + bytes[1]).toString(16) + ":" + (bytes[2] * 256 + bytes[3]).toString(16);
        }
        const halves = rest.split("::");
        const pieces = halves.map((half) => half === "" ? [] : half.split(":"));
        const count = pieces.flat().length;
        if (halves.length > 2 || pieces.flat().some((one) => !/^[0-9a-f]{1,4}$/i.test(one))) fail(text);
        if (halves.length === 2 ? count > 7 : count !== 8) fail(text);
        const all = halves.length === 2 ? [...pieces[0], ...Array(8 - count).fill("0"), ...pieces[1]] : pieces[0];
        const out = all.map((one) => parseInt(one, 16).toString(16)).join(":");
        // The longest run of zeros, of two at least, the first of equals.
        const runs = [...out.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].sort((a, b) => b[0].replace(/^:/, "").length - a[0].replace(/^:/, "").length);
        if (!runs.length) return `[${out}]`;
        const run = runs[0], start = run.index, end = start + run[0].length;
        return `[${out.slice(0, start)}::${out.slice(end + 1)}]`;
    }

    function hostOf(text, special) {
        if (text.startsWith("[")) return text.endsWith("]") ? ipv6(text.slice(1, -1)) : fail(text);
        if (!special) return /[\0\t\n\r #/<>?@[\\\]^|]/.test(text) ? fail(text) : encode(text, "");
        const host = decode(text).toLowerCase();
        if (/[^\x21-\x7e]|[#%/:<>?@[\\\]^`{|}]/.test(host)) fail(text);
        return ipv4(host) ?? host;
    }

    function resolvePath(base, text, special) {
        const out = [...base];
        const parts = text.split(special ? /[/\\]/ : "/");
        parts.forEach((part, i) => {
            const name = part.replace(/%2e/gi, "."), isLast = i === parts.length - 1;
            if (name === "..") { out.pop(); if (isLast) out.push(""); }
            else if (name === ".") { if (isLast) out.push(""); }
            else out.push(encode(part, PATH));
        });
        return out;
    }

    // The parts of a URL: scheme, user, password, host (null: none), port, path (a list, or a text without slashes), query, fragment.
    function parse(input, base) {
        const text = input.replace(/^[\0- ]+|[\0- ]+$/g, "").replace(/[\t\n\r]/g, "");
        const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(text)?.[0].toLowerCase();
        if (!scheme && !base) fail(input);
        const special = isSpecial(scheme ?? base.scheme);
        const [, main, query, fragment] = /^([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(scheme ? text.slice(scheme.length) : text);
        const url = { scheme: scheme ?? base.scheme, user: "", password: "", host: null, port: "", path: [], query: null, fragment: null };
        if (query !== undefined) url.query = encode(query.slice(1), special ? SPECIAL_QUERY : QUERY);
        if (fragment !== undefined) url.fragment = encode(fragment.slice(1), FRAGMENT);
        const slashes = special ? /^[/\\]+/.exec(main)?.[0].length ?? 0 : /^\/*/.exec(main)[0].length;
        const isRelative = !scheme || (base && special && scheme === base.scheme && slashes < 2);
        if (isRelative && !(slashes >= 2)) return relative(url, base, main, query, special, input);
        if (!special && scheme && slashes === 0) {
            url.path = encode(main, "");
            return url;
        }
        if (scheme && special && scheme !== "file:" ? true : slashes >= 2) return authority(url, main, slashes, special, input);
        if (scheme === "file:") url.host = "";
        url.path = resolvePath([], main.slice(slashes ? 1 : 0), special);
        return url;
    }

    function relative(url, base, main, query, special, input) {
        if (typeof base.path === "string" && (main || url.fragment === null)) fail(input);
        Object.assign(url, { user: base.user, password: base.password, host: base.host, port: base.port });
        if (main === "") {
            url.path = base.path;
            if (query === undefined) url.query = base.query;
        } else if (/^[/\\]/.test(main) && (special || main[0] === "/")) {
            url.path = resolvePath([], main.slice(1), special);
        } else {
            url.path = resolvePath(base.path.slice(0, -1), main, special);
        }
        return url;
    }

    function authority(url, main, slashes, special, input) {
        const rest = main.slice(special && url.scheme !== "file:" ? slashes : 2);
        const end = rest.search(special ? /[/\\]/ : /\//), where = end < 0 ? rest : rest.slice(0, end);
        const at = where.lastIndexOf("@");
        const [, host, port] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(where.slice(at + 1)) ?? fail(input);
        if (at >= 0) {
            const user = where.slice(0, at), colon = user.indexOf(":");
            url.user = encode(colon < 0 ? user : user.slice(0, colon), USER);
            url.password = colon < 0 ? "" : encode(user.slice(colon + 1), USER);
        }
        if (!host && ((special && url.scheme !== "file:") || at >= 0 || port)) fail(input);
        url.host = hostOf(host, special);
        if (url.scheme === "file:" && url.host === "localhost") url.host = "";
        if (port) {
            if (Number(port) > 65535) fail(input);
            url.port = String(Number(port)) === PORTS[url.scheme] ? "" : String(Number(port));
        }
        if (end >= 0) url.path = resolvePath([], rest.slice(end + 1), special);
        else url.path = special ? [""] : [];
        return url;
    }

    const pathText = (url) => typeof url.path === "string" ? url.path : url.path.map((part) => "/" + part).join("");

    function serialize(url) {
        const user = url.user || url.password ? `${url.user}${url.password ? ":" + url.password : ""}@` : "";
        const path = pathText(url);
        const where = url.host !== null ? `//${user}${url.host}${url.port && ":" + url.port}` : path.startsWith("//") ? "/." : "";
        return `${url.scheme}${where}${path}${url.query === null ? "" : "?" + url.query}${url.fragment === null ? "" : "#" + url.fragment}`;
    }

    const formEncode = (text) => Array.from(encoder.encode(text), (byte) => {
        const one = String.fromCharCode(byte);
        return /[a-zA-Z0-9*\-._]/.test(one) ? one : byte === 0x20 ? "+" : percent(byte);
    }).join("");
    const formDecode = (text) => decode(text.replaceAll("+", " "));
    const setPairs = Symbol(), owner = Symbol();

    class URLSearchParams {
        #pairs = [];

        constructor(init = "") {
            if (typeof init === "object" && init !== null) {
                const list = typeof init[Symbol.iterator] === "function" ? [...init].map((pair) => [...pair]) : Object.entries(init);
                if (list.some((pair) => pair.length !== 2)) throw new TypeError("each pair must have a name and a value");
                this.#pairs = list.map(([name, value]) => [`${name}`.toWellFormed(), `${value}`.toWellFormed()]);
            } else {
                this[setPairs](`${init}`.replace(/^\?/, ""));
            }
        }

        [setPairs](text) {
            this.#pairs = text.split("&").filter(Boolean).map((part) => {
                const at = part.indexOf("=");
                return at < 0 ? [formDecode(part), ""] : [formDecode(part.slice(0, at)), formDecode(part.slice(at + 1))];
            });
        }

        #changed() { this[owner]?.(this.toString()); }
        get size() { return this.#pairs.length; }
        append(name, value) { this.#pairs.push([`${name}`, `${value}`]); this.#changed(); }
        delete(name, value) {
            this.#pairs = this.#pairs.filter((pair) => pair[0] !== `${name}` || (value !== undefined && pair[1] !== `${value}`));
            this.#changed();
        }
        get(name) { return this.#pairs.find((pair) => pair[0] === `${name}`)?.[1] ?? null; }
        getAll(name) { return this.#pairs.filter((pair) => pair[0] === `${name}`).map((pair) => pair[1]); }
        has(name, value) { return this.#pairs.some((pair) => pair[0] === `${name}` && (value === undefined || pair[1] === `${value}`)); }
        set(name, value) {
            const at = this.#pairs.findIndex((pair) => pair[0] === `${name}`);
            if (at < 0) this.#pairs.push([`${name}`, `${value}`]);
            else {
                this.#pairs[at][1] = `${value}`;
                this.#pairs = this.#pairs.filter((pair, i) => i <= at || pair[0] !== `${name}`);
            }
            this.#changed();
        }
        sort() { this.#pairs.sort((a, b) => a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0); this.#changed(); }
        forEach(call, self) { for (const [name, value] of this) call.call(self, value, name, this); }
        *entries() { for (let i = 0; i < this.#pairs.length; i++) yield [...this.#pairs[i]]; }
        *keys() { for (const [name] of this.entries()) yield name; }
        *values() { for (const [, value] of this.entries()) yield value; }
        [Symbol.iterator]() { return this.entries(); }
        toString() { return this.#pairs.map(([name, value]) => `${formEncode(name)}=${formEncode(value)}`).join("&"); }
        get [Symbol.toStringTag]() { return "URLSearchParams"; }
    }

    class URL {
        #url;
        #params;

        constructor(input, base) { this.#url = parse(`${input}`.toWellFormed(), base === undefined ? undefined : parse(`${base}`)); }
        static canParse(input, base) { return URL.parse(input, base) !== null; }
        static parse(input, base) { try { return new URL(input, base); } catch { return null; } }

        #change(input) {
            try { this.#url = parse(input); } catch { return; }
            this.#params?.[setPairs](this.#url.query ?? "");
        }
        #with(parts) { this.#change(serialize({ ...this.#url, ...parts })); }

        get href() { return serialize(this.#url); }
        set href(text) { this.#url = parse(`${text}`); this.#params?.[setPairs](this.#url.query ?? ""); }
        get origin() { return isSpecial(this.#url.scheme) && this.#url.scheme !== "file:" ? `${this.#url.scheme}//${this.host}` : "null"; }
        get protocol() { return this.#url.scheme; }
        set protocol(text) {
            const scheme = `${text}`.replace(/:.*$/s, "").toLowerCase() + ":";
            if (/^[a-z][a-z0-9+.-]*:$/.test(scheme) && isSpecial(scheme) === isSpecial(this.#url.scheme)) this.#with({ scheme });
        }
        get username() { return this.#url.user; }
        set username(text) { if (this.#url.host) this.#with({ user: encode(`${text}`, USER) }); }
        get password() { return this.#url.password; }
        set password(text) { if (this.#url.host) this.#with({ password: encode(`${text}`, USER) }); }
        get host() { return (this.#url.host ?? "") + (this.#url.port && ":" + this.#url.port); }
        set host(text) {
            const [, host, port] = /^(\[[^\]]*\]|[^:/?#\\]*)(?::(\d*))?/.exec(`${text}`);
            if (host && this.#url.host !== null) this.#with({ host, port: port ?? this.#url.port });
        }
        get hostname() { return this.#url.host ?? ""; }
        set hostname(text) { if (this.#url.host !== null && /^(\[.*\]|[^:/?#\\]+)$/.test(text)) this.#with({ host: `${text}` }); }
        get port() { return this.#url.port; }
        set port(text) { if (this.#url.host && /^\d*/.test(text)) this.#with({ port: /^\d*/.exec(`${text}`)[0] }); }
        get pathname() { return pathText(this.#url); }
        set pathname(text) {
            if (typeof this.#url.path === "string") return;
            const special = isSpecial(this.#url.scheme), path = encode(`${text}`, "?#");
            this.#with({ path: resolvePath([], path.replace(special ? /^[/\\]/ : /^\//, ""), special) });
        }
        get search() { return this.#url.query ? "?" + this.#url.query : ""; }
        set search(text) { this.#with({ query: `${text}` === "" ? null : encode(`${text}`.replace(/^\?/, ""), SPECIAL_QUERY) }); }
        get hash() { return this.#url.fragment ? "#" + this.#url.fragment : ""; }
        set hash(text) { this.#with({ fragment: `${text}` === "" ? null : `${text}`.replace(/^#/, "") }); }
        get searchParams() {
            if (!this.#params) {
                this.#params = new URLSearchParams(this.#url.query ?? "");
                this.#params[owner] = (query) => { this.#url = { ...this.#url, query: query || null }; };
            }
            return this.#params;
        }
        toString() { return this.href; }
        toJSON() { return this.href; }
        get [Symbol.toStringTag]() { return "URL"; }
    }
    return { URL, URLSearchParams };
})()
