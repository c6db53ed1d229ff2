// Each case is a feature of the language or of its surroundings; the request is ignored, the answer is what each gave.
import language from "./language.js";
import surroundings from "./surroundings.js";
import * as modules from "./modules.js";

export default async function handle() {
    const results = {};
    for (const cases of [language, surroundings, modules.default]) {
        for (const [name, run] of Object.entries(cases)) {
            try {
                results[name] = await run();
            } catch (error) {
                results[name] = `${error}\n${error.stack}`;
            }
        }
    }
    return results;
}
