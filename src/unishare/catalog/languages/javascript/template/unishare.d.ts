// For editors: what a function gets, may return, and finds in its surroundings. Nothing of it is in the image.

/** The request. Where text is wanted it stands for its text. It is over when the answer is given: keep what you took from it. */
export interface Request {
    /** The bytes as UTF-8; what is not UTF-8 becomes U+FFFD. */
    text(): string;
    /** The text, parsed. */
    json(): any;
    bytes(): Uint8Array;
    arrayBuffer(): ArrayBuffer;
    toString(): string;
    /** In bytes. */
    readonly size: number;
}

export type Body = string | Uint8Array | ArrayBuffer | object | number | boolean | null | undefined | void;
/** `status` is a whole number from 0 (good) to 255. */
export type Answer = Body | { answer?: Body; status?: number } | Promise<Body | { answer?: Body; status?: number }>;

declare global {
    interface Console {
        log(...values: any[]): void; info(...values: any[]): void; debug(...values: any[]): void;
        error(...values: any[]): void; warn(...values: any[]): void; trace(...values: any[]): void;
        dir(value: any): void; table(value: any): void; assert(right: any, ...values: any[]): void;
        count(label?: string): void; countReset(label?: string): void; group(...values: any[]): void; groupEnd(): void;
        time(label?: string): void; timeLog(label?: string): void; timeEnd(label?: string): void;
    }
    const console: Console;
    function print(...values: any[]): void;

    class TextEncoder {
        readonly encoding: string;
        encode(text?: string): Uint8Array;
        encodeInto(text: string, into: Uint8Array): { read: number; written: number };
    }
    class TextDecoder {
        constructor(label?: "utf-8" | "utf-16le", options?: { fatal?: boolean; ignoreBOM?: boolean });
        readonly encoding: string;
        decode(bytes?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string;
    }
    function atob(text: string): string;
    function btoa(text: string): string;

    const crypto: {
        getRandomValues<T extends ArrayBufferView>(array: T): T;
        randomUUID(): string;
    };
    const performance: { now(): number; readonly timeOrigin: number };
    function structuredClone<T>(value: T, options?: { transfer?: ArrayBuffer[] }): T;
    function queueMicrotask(call: () => void): void;

    function setTimeout(call: (...values: any[]) => void, milliseconds?: number, ...values: any[]): number;
    function setInterval(call: (...values: any[]) => void, milliseconds?: number, ...values: any[]): number;
    function setImmediate(call: (...values: any[]) => void, ...values: any[]): number;
    function clearTimeout(timer?: number): void;
    function clearInterval(timer?: number): void;
    function clearImmediate(timer?: number): void;

    class URLSearchParams implements Iterable<[string, string]> {
        constructor(init?: string | Record<string, string> | Iterable<[string, string]>);
        readonly size: number;
        append(name: string, value: string): void;
        delete(name: string, value?: string): void;
        get(name: string): string | null;
        getAll(name: string): string[];
        has(name: string, value?: string): boolean;
        set(name: string, value: string): void;
        sort(): void;
        forEach(call: (value: string, name: string, all: URLSearchParams) => void): void;
        entries(): IterableIterator<[string, string]>;
        keys(): IterableIterator<string>;
        values(): IterableIterator<string>;
        [Symbol.iterator](): IterableIterator<[string, string]>;
        toString(): string;
    }
    class URL {
        constructor(url: string | URL, base?: string | URL);
        static canParse(url: string, base?: string): boolean;
        static parse(url: string, base?: string): URL | null;
        href: string; readonly origin: string; protocol: string; username: string; password: string; host: string; hostname: string;
        port: string; pathname: string; search: string; readonly searchParams: URLSearchParams; hash: string;
        toString(): string;
        toJSON(): string;
    }
}
