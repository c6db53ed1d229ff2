// How console shows values, and its rarer calls.
(function () {
    "use strict";
    const DEPTH = 2, ITEMS = 100, WIDTH = 76;
    const ownKeys = (value) => Object.keys(value).concat(
        Object.getOwnPropertySymbols(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key)));

    function quoted(text) {
        const mark = !text.includes("'") ? "'" : !text.includes('"') ? '"' : !text.includes("`") ? "`" : "'";
        const escaped = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
        return mark + (mark === "'" ? escaped.replaceAll("'", "\\'") : escaped) + mark;
    }

    function primitive(value) {
        switch (typeof value) {
        case "string": return quoted(value);
        case "bigint": return `${value}n`;
        case "symbol": return value.toString();
        default: return Object.is(value, -0) ? "-0" : String(value);
        }
    }

    function nameOf(value) {
        for (let at = value; at; at = Object.getPrototypeOf(at)) {
            const found = Object.getOwnPropertyDescriptor(at, "constructor");
            if (found && typeof found.value === "function" && found.value.name) return found.value.name;
        }
        return "[Object: null prototype]";
    }

    function functionText(value) {
        const isClass = /^class\b/.test(Function.prototype.toString.call(value));
        return isClass ? `[class ${value.name || "(anonymous)"}]` : `[Function${value.name ? ": " + value.name : " (anonymous)"}]`;
    }

    const errorText = (value) => `${value}${value.stack ? "\n" + value.stack.trimEnd() : ""}`;

    // Text before the braces, the braces, and the entries that are no properties.
    function shape(value, show) {
        const name = nameOf(value);
        const few = (list) => list.length > ITEMS ? [...list.slice(0, ITEMS), `... ${list.length - ITEMS} more items`] : list;
        if (Array.isArray(value)) {
            const items = Array.from({ length: Math.min(value.length, ITEMS) }, (_, i) => i in value ? show(value[i]) : "<empty>");
            if (value.length > ITEMS) items.push(`... ${value.length - ITEMS} more items`);
            return [name === "Array" ? "" : `${name}(${value.length}) `, "[]", items];
        }
        if (ArrayBuffer.isView(value) && !(value instanceof DataView))
            return [`${name}(${value.length}) `, "[]", few(Array.from(value.subarray(0, ITEMS + 1), primitive))];
        if (value instanceof Map) return [`${name}(${value.size}) `, "{}", few([...value].map(([key, one]) => `${show(key)} => ${show(one)}`))];
        if (value instanceof Set) return [`${name}(${value.size}) `, "{}", few([...value].map(show))];
        if (value instanceof ArrayBuffer) return [`${name} `, "{}", [`byteLength: ${value.byteLength}`]];
        return [name === "Object" ? "" : `${name} `, "{}", []];
    }

    function inspect(value, depth = 0, above = []) {
        if (value === null || (typeof value !== "object" && typeof value !== "function")) return primitive(value);
        if (above.includes(value)) return "[Circular]";
        if (value instanceof Date) return isNaN(value) ? "Invalid Date" : value.toISOString();
        if (value instanceof RegExp) return value.toString();
        if (value instanceof Error) return depth ? `[${value}]` : errorText(value);
        const keys = ownKeys(value).filter((key) => !(Array.isArray(value) || ArrayBuffer.isView(value)) || typeof key === "symbol" || !/^\d+$/.test(key));
        if (typeof value === "function" && !keys.length) return functionText(value);
        if (depth > DEPTH) return Array.isArray(value) ? "[Array]" : `[${nameOf(value)}]`;
        const show = (one) => inspect(one, depth + 1, [...above, value]);
        const [before, braces, entries] = typeof value === "function" ? [functionText(value) + " ", "{}", []] : shape(value, show);
        for (const key of keys) {
            const property = Object.getOwnPropertyDescriptor(value, key);
            const name = typeof key === "symbol" ? `[${String(key)}]` : /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? key : quoted(key);
            const text = property.get ? (property.set ? "[Getter/Setter]" : "[Getter]") : property.set ? "[Setter]" : show(property.value);
            entries.push(`${name}: ${text}`);
        }
        if (!entries.length) return before + braces;
        const line = `${before}${braces[0]} ${entries.join(", ")} ${braces[1]}`;
        if (line.length + depth * 2 <= WIDTH && !line.includes("\n")) return line;
        const indent = "  ".repeat(depth + 1);
        return `${before}${braces[0]}\n${indent}${entries.join(`,\n${indent}`)}\n${"  ".repeat(depth)}${braces[1]}`;
    }

    const shown = (value) => typeof value === "string" ? value : inspect(value);

    function format(...values) {
        if (typeof values[0] !== "string" || values.length < 2) return values.map(shown).join(" ");
        let next = 1;
        const text = values[0].replace(/%[sdifjoOc%]/g, (found) => {
            if (found === "%%") return "%";
            if (next >= values.length) return found;
            const value = values[next++];
            switch (found[1]) {
            case "s": return typeof value === "object" && value !== null ? inspect(value, 1) : typeof value === "symbol" ? value.toString() : String(value);
            case "d": return typeof value === "bigint" ? `${value}n` : typeof value === "object" ? "NaN" : String(Number(value));
            case "i": return String(parseInt(value));
            case "f": return String(parseFloat(value));
            case "j": return JSON.stringify(value);
            case "c": return "";
            default: return inspect(value);
            }
        });
        return [text, ...values.slice(next).map(shown)].join(" ");
    }

    const counts = new Map(), starts = new Map();
    const since = (label) => starts.has(label) ? `${label}: ${(performance.now() - starts.get(label)).toFixed(3)}ms` : `${label}: no such timer`;
    const calls = {
        dir: (value) => console.log(inspect(value)),
        table: (...values) => console.log(...values),
        trace: (...values) => console.error(`Trace: ${format(...values)}\n${new Error().stack.trimEnd()}`),
        assert: (right, ...values) => { if (!right) console.error(values.length ? `Assertion failed: ${format(...values)}` : "Assertion failed"); },
        count: (label = "default") => { counts.set(label, (counts.get(label) ?? 0) + 1); console.log(`${label}: ${counts.get(label)}`); },
        countReset: (label = "default") => { counts.delete(label); },
        group: (...values) => { if (values.length) console.log(...values); },
        groupEnd: () => {},
        time: (label = "default") => { starts.set(label, performance.now()); },
        timeLog: (label = "default") => console.log(since(label)),
        timeEnd: (label = "default") => { console.log(since(label)); starts.delete(label); },
    };
    return { format, console: calls };
})()
