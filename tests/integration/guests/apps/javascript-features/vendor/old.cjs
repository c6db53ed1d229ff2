exports.double = (n) => n * 2;
exports.file = __filename;
exports.inner = require("./inner").name;
