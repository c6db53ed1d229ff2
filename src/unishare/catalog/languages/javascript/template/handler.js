/**
 * Gets the request; returns the answer: text, bytes (a Uint8Array), nothing, or an object, which is answered as JSON. With a status
 * from 1 to 255 as {answer, status}. May be async. What there is to use, and what not: docs/javascript.md of unishare.
 *
 * @param {import("./unishare").Request} request
 * @returns {import("./unishare").Answer}
 */
export default function handle(request) {
    const name = request.text();
    if (name === "") {
        return { answer: "whom shall I greet?\n", status: 1 };
    }
    return `hello, ${name}\n`;
}
