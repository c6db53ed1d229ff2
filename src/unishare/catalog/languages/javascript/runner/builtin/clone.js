// structuredClone, as https://html.spec.whatwg.org/multipage/structured-data.html has it, for what exists here.
(function () {
    "use strict";
    const tagOf = (value) => Object.prototype.toString.call(value).slice(8, -1);
    const refuse = (value) => {
        const what = typeof value === "function" ? `the function ${value.name || "(anonymous)"}` : typeof value === "symbol" ? value.toString() : `a ${tagOf(value)}`;
        throw new DOMException(`${what} cannot be cloned`, "DataCloneError");
    };
    const errors = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

    function cloneError(error, known) {
        const type = Object.hasOwn(errors, error.name) ? errors[error.name] : Error;
        const copy = Reflect.construct(Error, [], type);
        known.set(error, copy);
        for (const key of ["message", "stack", "cause"]) {
            const value = key === "stack" ? error.stack : Object.getOwnPropertyDescriptor(error, key)?.value;
            if (value !== undefined) Object.defineProperty(copy, key, { value: clone(value, known), writable: true, configurable: true });
        }
        return copy;
    }

    function cloneView(view, known) {
        const buffer = clone(view.buffer, known);
        return new view.constructor(buffer, view.byteOffset, view instanceof DataView ? view.byteLength : view.length);
    }

    function cloneObject(value, known) {
        const copy = Array.isArray(value) ? new Array(value.length) : {};
        known.set(value, copy);
        for (const key of Object.keys(value))
            Object.defineProperty(copy, key, { value: clone(value[key], known), writable: true, enumerable: true, configurable: true });
        return copy;
    }

    function clone(value, known) {
        if (typeof value === "symbol" || typeof value === "function") refuse(value);
        if (typeof value !== "object" || value === null) return value;
        if (known.has(value)) return known.get(value);
        let copy;
        if (Array.isArray(value)) return cloneObject(value, known);
        if (value instanceof Error) return cloneError(value, known);
        if (ArrayBuffer.isView(value)) copy = cloneView(value, known);
        else if (value instanceof ArrayBuffer) copy = value.slice(0);
        else if (value instanceof Date) copy = new Date(value.getTime());
        else if (value instanceof RegExp) copy = new RegExp(value.source, value.flags);
        else if (value instanceof Boolean || value instanceof Number || value instanceof String || value instanceof BigInt) copy = Object(value.valueOf());
        if (copy) {
            known.set(value, copy);
            return copy;
        }
        if (value instanceof Map) {
            known.set(value, copy = new Map());
            for (const [key, one] of [...value]) copy.set(clone(key, known), clone(one, known));
            return copy;
        }
        if (value instanceof Set) {
            known.set(value, copy = new Set());
            for (const one of [...value]) copy.add(clone(one, known));
            return copy;
        }
        if (["WeakMap", "WeakSet", "WeakRef", "Promise", "Generator", "Symbol", "SharedArrayBuffer"].includes(tagOf(value))) refuse(value);
        return cloneObject(value, known);
    }

    function structuredClone(value, options) {
        if (!arguments.length) throw new TypeError("structuredClone needs a value");
        const known = new Map();
        for (const buffer of options?.transfer ?? []) {
            if (!(buffer instanceof ArrayBuffer)) refuse(buffer);
            known.set(buffer, buffer.transfer());
        }
        return clone(value, known);
    }
    return { structuredClone };
})()
