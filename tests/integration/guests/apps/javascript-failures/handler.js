// What a function can get wrong, by the request's text; and that it answers afterwards is asked with "fine".
let kept;

const cases = {
    fine: () => "fine",
    throws() {
        throw new Error("no luck", { cause: new TypeError("the reason") });
    },
    async rejects() {
        await null;
        throw new RangeError("rejected later");
    },
    unhandled() {
        Promise.reject(new Error("nobody waits"));
        return "fine";
    },
    in_a_timer: () => new Promise((done) => {
        setTimeout(() => { throw new Error("in a timer"); }, 1);
        setTimeout(done, 50);
    }),
    never: () => new Promise(() => {}),
    deep() {
        const down = (n) => down(n + 1) + 1;
        return down(0);
    },
    deep_caught() {
        let depth = 0;
        const down = () => { depth++; down(); };
        try { down(); } catch (error) { return [depth > 1000, error.name]; }
    },
    memory() {
        const all = [];
        for (;;) all.push(new Array(1000).fill({}).map(() => ({})));
    },
    long_text() {
        let text = "x";
        for (;;) text += text + text.toUpperCase();
    },
    loop() { for (;;); },
    chain() {
        const next = () => Promise.resolve().then(next);
        return next();
    },
    queue() {
        const next = () => { Promise.resolve().then(next); };
        next();
    },
    not_json: (request) => request.json(),
    function_as_answer: () => () => 1,
    bigint: () => 1n,
    circle() { const one = {}; one.one = one; return one; },
    status: () => ({ status: 256 }),
    network: () => fetch("http://example.org"),
    not_an_error() { throw { code: 5 }; },
    text_thrown() { throw "a text"; },
    kept(request) { kept = request; return "kept"; },
    own_stack() { const error = new Error("x"); Object.defineProperty(error, "stack", { value: 5 }); throw error; },
    hostile_error() { throw { toString() { throw 1; }, toJSON() { throw 2; } }; },
    bad_url: () => new URL("nope"),
    bytes: (request) => request.bytes().toReversed(),
    text: (request) => [request.text(), request.size, `${request}`.length, request.toUpperCase().slice(-1)],
};

export default function handle(request) {
    const name = request.text().split(" ")[0];
    return (cases[name] ?? cases.text)(request);
}
