module.exports = { name: "inner", outer: typeof require("./old.cjs") };
