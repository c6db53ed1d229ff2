"""Steps that run a script of their own in an interpreter; the script is a file of the image, or part of the code."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from unishare.evaluation.population.c_text import fill, literal
from unishare.evaluation.population.program import Program
from unishare.evaluation.population.steps.numbers_map import NumbersStep


class LuaProgram(NumbersStep):
    does = "run a Lua script on each number"
    libraries = ("lua",)
    headers = ("lauxlib.h", "lualib.h")

    def __init__(self, random: Random) -> None:
        self.program = Program(random)
        self.in_file = random.random() < 0.6

    def files(self, name: str) -> Mapping[str, bytes]:
        return {f"{name}.lua": self.program.lua().encode()} if self.in_file else {}

    def c_source(self, name: str) -> str:
        load = f'luaL_loadfile(lua, "/app/{name}.lua")' if self.in_file else f"luaL_loadstring(lua, {name}_script)"
        before = fill(
            """
            @script@
            static lua_State *@name@_state;

            /* Load the script when it is needed first: its function stays at the bottom of the stack. */
            static int @name@_load(void)
            {
                lua_State *lua = luaL_newstate();

                if (!lua)
                    return 0;
                luaL_openlibs(lua);
                if (@load@ || lua_pcall(lua, 0, 1, 0)) {
                    fprintf(stderr, "%s\\n", lua_tostring(lua, -1));
                    lua_close(lua);
                    return 0;
                }
                @name@_state = lua;
                return 1;
            }
            """,
            name=name,
            load=load,
            script="" if self.in_file else f"static const char {name}_script[] =\n{_lines(self.program.lua())};\n",
        )
        body = fill(
            """
            if (!@name@_state && !@name@_load())
                return 254;
            for (size_t i = 0; i < numbers.count; i++) {
                lua_pushvalue(@name@_state, 1);
                lua_pushinteger(@name@_state, numbers.at[i]);
                lua_pushinteger(@name@_state, (lua_Integer)i);
                if (lua_pcall(@name@_state, 2, 1, 0)) {
                    append_text(out, lua_tostring(@name@_state, -1));
                    lua_pop(@name@_state, 1);
                    return 253;
                }
                numbers.at[i] = (uint32_t)lua_tointeger(@name@_state, -1);
                lua_pop(@name@_state, 1);
            }
            """,
            name=name,
        )
        return self._in_place(name, body, before)

    def values(self, numbers: list[int]) -> list[int]:
        return [self.program.evaluate(x, i) for i, x in enumerate(numbers)]


def _lines(script: str) -> str:
    """A script as string literals, one a line."""
    return "\n".join(f"    {literal(line)}" for line in script.splitlines(keepends=True))


class JavascriptStep(NumbersStep):
    does = "run a JavaScript on each number"

    def __init__(self, random: Random) -> None:
        self.program = Program(random)
        self.in_file = random.random() < 0.6

    def files(self, name: str) -> Mapping[str, bytes]:
        return {f"{name}.js": self.program.javascript().encode()} if self.in_file else {}

    def _read(self, name: str) -> str:
        """C that reads the script into `script`."""
        return f'read_file("/app/{name}.js", &script)' if self.in_file else f"(append_text(&script, {name}_script), 1)"

    def _script(self, name: str) -> str:
        return "" if self.in_file else f"static const char {name}_script[] =\n{_lines(self.program.javascript())};\n"

    def values(self, numbers: list[int]) -> list[int]:
        return [self.program.evaluate(x, i) for i, x in enumerate(numbers)]


class DuktapeProgram(JavascriptStep):
    does = "run a JavaScript by Duktape on each number"
    libraries = ("duktape",)
    headers = ("duktape.h",)

    def c_source(self, name: str) -> str:
        before = fill(
            """
            @script@
            static duk_context *@name@_context;

            /* Run the script when it is needed first: it defines the function. */
            static int @name@_load(void)
            {
                struct bytes script = {0};
                duk_context *context;

                if (!@read@ || !(context = duk_create_heap_default()))
                    return 0;
                if (duk_peval_lstring(context, (char *)script.data, script.size)) {
                    fprintf(stderr, "%s\\n", duk_safe_to_string(context, -1));
                    duk_destroy_heap(context);
                    context = NULL;
                }
                free(script.data);
                @name@_context = context;
                return context != NULL;
            }
            """,
            name=name,
            read=self._read(name),
            script=self._script(name),
        )
        body = fill(
            """
            if (!@name@_context && !@name@_load())
                return 254;
            for (size_t i = 0; i < numbers.count; i++) {
                duk_get_global_string(@name@_context, "answer");
                duk_push_uint(@name@_context, numbers.at[i]);
                duk_push_uint(@name@_context, (duk_uint_t)i);
                if (duk_pcall(@name@_context, 2)) {
                    append_text(out, duk_safe_to_string(@name@_context, -1));
                    duk_pop(@name@_context);
                    return 253;
                }
                numbers.at[i] = (uint32_t)duk_get_number(@name@_context, -1);
                duk_pop(@name@_context);
            }
            """,
            name=name,
        )
        return self._in_place(name, body, before)


class MujsProgram(JavascriptStep):
    does = "run a JavaScript by MuJS on each number"
    libraries = ("mujs",)
    headers = ("mujs.h",)

    def c_source(self, name: str) -> str:
        before = fill(
            """
            @script@
            static js_State *@name@_state;

            /* Run the script when it is needed first: it defines the function. */
            static int @name@_load(void)
            {
                struct bytes script = {0};
                js_State *state;

                if (!@read@ || !(state = js_newstate(NULL, NULL, JS_STRICT)))
                    return 0;
                if (js_dostring(state, (char *)script.data)) {
                    js_freestate(state);
                    state = NULL;
                }
                free(script.data);
                @name@_state = state;
                return state != NULL;
            }
            """,
            name=name,
            read=self._read(name),
            script=self._script(name),
        )
        body = fill(
            """
            if (!@name@_state && !@name@_load())
                return 254;
            for (size_t i = 0; i < numbers.count; i++) {
                js_getglobal(@name@_state, "answer");
                js_pushundefined(@name@_state);
                js_pushnumber(@name@_state, numbers.at[i]);
                js_pushnumber(@name@_state, (double)i);
                if (js_pcall(@name@_state, 2)) {
                    append_text(out, js_trystring(@name@_state, -1, "error"));
                    js_pop(@name@_state, 1);
                    return 253;
                }
                numbers.at[i] = (uint32_t)js_tonumber(@name@_state, -1);
                js_pop(@name@_state, 1);
            }
            """,
            name=name,
        )
        return self._in_place(name, body, before)
