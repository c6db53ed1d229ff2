import data from "./data.json" with { type: "json" };
import plain from "./data.json";
import note from "./note.txt" with { type: "text" };
import bytes from "./note.txt" with { type: "bytes" };
import old, { double } from "./vendor/old.cjs";
import { second } from "./cycle.js";

export const first = "first";
export default {
    json_modules: () => [data.list, plain.list, data !== plain || true],
    text_and_bytes: () => [note, [...bytes]],
    commonjs: () => [old.double(4), double(5), old.file, old.inner],
    cycles: () => second(),
    dynamic: async () => [(await import("./cycle.js")).name, await import("./nowhere.js").catch((error) => error.name)],
    meta: () => import.meta.url,
};
