"""Small functions of every kind in each scripting language: projects that tests write and build."""

from __future__ import annotations

from pathlib import Path

# {0} is the function's number, {1} another one; what they answer begins with the first.
JAVASCRIPT = (
    "const table = Array.from({{length: {1}}}, (_, at) => at * {0});\n"
    "export default (request) => `{0} ${{table[request.text().length % {1}]}}`;\n",
    "export default (request) => `{0} ${{request.text().split('').reverse().join('{0}')}}`;\n",
    "const letters = new Map();\n"
    "export default (request) => {{\n"
    "    for (const letter of request.text().match(/\\w/g)) letters.set(letter, (letters.get(letter) ?? {0}) + 1);\n"
    "    return `{0} ${{[...letters].sort().map(String).join()}}`;\n"
    "}};\n",
    "export default (request) => ({{ toJSON: () => JSON.parse('{0}'), text: request.text() }});\n",
    "class Shape {{ area() {{ return {1}; }} }}\n"
    "class Square extends Shape {{ area() {{ return super.area() ** 2; }} }}\n"
    "export default (request) => `{0} ${{new Square().area()}} ${{request.size}}`;\n",
    "function* upTo(end) {{ for (let at = 0; at < end; at++) yield at; }}\n"
    "export default (request) => `{0} ${{[...upTo({1})].reduce((sum, at) => sum + at, request.size)}}`;\n",
    "export default async (request) => {{\n"
    "    const parts = await Promise.all([1, {1}].map(async (number) => number * 2));\n"
    "    return `{0} ${{parts}} ${{request.text()}}`;\n"
    "}};\n",
    "let seen = 0;\nexport default (request) => `{0} ${{(seen += request.size)}}`;\n",
    "export default (request) => `{0} ${{request.text().replace(/b/g, 'B{1}').padEnd(20, '.').toUpperCase()}}`;\n",
    "export default (request) => `{0} ${{new Date({1}e9).toISOString()}} ${{Math.max(...request.bytes())}}`;\n",
    "export default (request) => `{0} ${{new TextEncoder().encode(request.text()).reduce((a, b) => a * 31 + b, {1})}}`;\n",
    "export default (request) => {{\n"
    "    try {{ null.x; }} catch (error) {{ return `{0} ${{error.name}} ${{request.text()}} {1}`; }}\n"
    "}};\n",
    "export default (request) => `{0} ${{new URL('http://a/b?x={1}').searchParams.get('x')}} ${{request}}`;\n",
)
LUA = (
    "local table{0} = {{}}\nfor at = 1, {1} do table{0}[at] = at * {0} end\n"
    'return function (request) return "{0} " .. table{0}[#request % {1} + 1] end\n',
    'return function (request) return "{0} " .. request:reverse():rep(3, "{1}") end\n',
    "local words = {{}}\n"
    "return function (request)\n"
    "    for word in request:gmatch('%w') do words[word:rep({1})] = {0} end\n"
    "    local keys = {{}}\n"
    "    for key in pairs(words) do keys[#keys + 1] = key end\n"
    "    table.sort(keys)\n"
    '    return "{0} " .. table.concat(keys, ",")\n'
    "end\n",
    "local Shape = {{}}\nShape.__index = Shape\n"
    "function Shape.new(name) return setmetatable({{name = name}}, Shape) end\n"
    "function Shape:area() return {1} ^ 2 end\n"
    'return function (request) return "{0} " .. Shape.new(request):area() end\n',
    "return function (request)\n"
    "    local next = coroutine.wrap(function () for at = 1, {1} do coroutine.yield(at) end end)\n"
    '    return "{0} " .. next() + next() .. request\n'
    "end\n",
    'local seen = 0\nreturn function (request) seen = seen + #request return "{0} " .. seen end\n',
    'return function (request) return "{0} " .. request:gsub("b", "B{1}"):upper() end\n',
    'return function (request) return "{0} " .. tostring(select(2, pcall(error, "x{1}"))) .. request end\n',
    'return function (request) return "{0} " .. string.format("%05d %q", {1}, request) .. math.max(request:byte(1, -1)) end\n',
)
SCRIPTS = {"javascript": ("handler.js", JAVASCRIPT), "lua": ("handler.lua", LUA)}


def kinds(language: str) -> int:
    """How many there are in a language."""
    return len(SCRIPTS[language][1])


def write(folder: Path, language: str, count: int) -> list[str]:
    """Write that many functions, of each kind in turn, into a catalogue's folder; their names."""
    file, texts = SCRIPTS[language]
    names = [f"{language}-{number}" for number in range(count)]
    for number, name in enumerate(names):
        app = folder / "apps" / name
        app.mkdir(parents=True)
        (app / file).write_text(texts[number % len(texts)].format(number, 10 + number))
        (app / "app.toml").write_text(
            f'name = "{name}"\nlibraries = ["{language}-function"]\n[build]\nfiles = []\n[files]\n"/app/{file}" = "{file}"\n'
            f'[[example]]\nrequest = "abc"\nanswer_pattern = "{number}( .*)?"\n'
        )
    return names
