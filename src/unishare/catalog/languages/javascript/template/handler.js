// Gets the request as text, and as a Uint8Array; returns the answer (text or bytes), or {answer, status} with a status from 0 to 255.
module.exports = function (request, bytes) {
    if (request === "") {
        return { answer: "whom shall I greet?\n", status: 1 };
    }
    return "hello, " + request + "\n";
};
