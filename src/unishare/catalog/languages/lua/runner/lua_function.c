/*
 * The main program of every function written in Lua: /app/handler.lua is run once and returns a function from a request to an
 * answer and, if it likes, a status. A library, so that all of them share its pages with the interpreter's.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include <unishare/function.h>
#include <unishare/lua.h>
#include <unishare/platform.h>
#include <unishare/random.h>

#include "check.h"

#define MODULES "/app/?.lua;/app/?/init.lua"

enum { TRACEBACK = 1, NOTHING, FUNCTION, STACK_BASE = FUNCTION, DEAD_SLOTS = LUA_MINSTACK - 1, FAILED = 1 };

static lua_State *state;

/* What pcall makes of an error: its text, and the way to it. */
static int explain(lua_State *lua)
{
    luaL_traceback(lua, lua, luaL_tolstring(lua, 1, NULL), 1);
    return 1;
}

static int status_of(int index)
{
    int is_number;
    lua_Integer status = lua_tointegerx(state, index, &is_number);

    if (lua_isnil(state, index))
        return 0;
    return is_number && status >= 0 && status <= 255 ? (int)status : -1;
}

/* Answer with a failure's text, and let the console tell it too. */
static int fail(unishare_answer *answer, const char *text)
{
    fprintf(stderr, "%s\n", text);
    unishare_answer_clear(answer);
    unishare_answer_printf(answer, "%s\n", text);
    return FAILED;
}

static int answer_with(unishare_answer *answer, int text, int status)
{
    size_t size;
    const char *bytes;

    if (status_of(status) < 0)
        return fail(answer, HANDLER ": the status must be a number from 0 to 255");
    if (lua_isnil(state, text))
        return status_of(status);
    if (!(bytes = lua_tolstring(state, text, &size)))
        return fail(answer, HANDLER ": the answer must be a string");
    unishare_answer_write(answer, bytes, size);
    return status_of(status);
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    int status;

    lua_pushvalue(state, FUNCTION);
    lua_pushlstring(state, (const char *)request->data, request->size);
    if (lua_pcall(state, 1, 2, TRACEBACK) == LUA_OK)
        status = answer_with(answer, -2, -1);
    else
        status = fail(answer, lua_tostring(state, -1));
    lua_settop(state, STACK_BASE);
    return status;
}

/* Let math.random begin anew. */
static void seed(uint64_t first, uint64_t second)
{
    int top = lua_gettop(state);

    lua_getglobal(state, "math");
    lua_getfield(state, -1, "randomseed");
    lua_pushinteger(state, (lua_Integer)first);
    lua_pushinteger(state, (lua_Integer)second);
    lua_pcall(state, 2, 0, 0);
    lua_settop(state, top);
}

/* Instances of one snapshot have the same state until here. */
static void resumed(void)
{
    uint64_t drawn[2] = {0};

    if (unishare_random_fill(drawn, sizeof drawn) == sizeof drawn)
        seed(drawn[0], drawn[1]);
}

/* Dead slots of the stack, and the frame that the interpreter keeps for the next call, hold what the last call left there. */
static void call_nothing(void)
{
    lua_pushvalue(state, NOTHING);
    for (int i = 0; i < DEAD_SLOTS; i++)
        lua_pushinteger(state, 0);
    lua_call(state, DEAD_SLOTS, 0);
}

static void collect_garbage(void)
{
    call_nothing();
    unishare_lua_settle(state);
}

static void collect_when_quiet(void)
{
    if (unishare_lua_has_changed(state))
        collect_garbage();
}

/* Leaves the handler's function at FUNCTION; 0 if there is none, and the console says why. */
static int load(void)
{
    if (luaL_loadfile(state, HANDLER) != LUA_OK || lua_pcall(state, 0, 1, TRACEBACK) != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(state, -1));
        return 0;
    }
    if (!lua_isfunction(state, FUNCTION)) {
        fprintf(stderr, HANDLER ": must return a function, not a %s\n", luaL_typename(state, FUNCTION));
        return 0;
    }
    return 1;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--check"))
        return check_serve();
    if (!(state = luaL_newstate()))
        return FAILED;
    luaL_openlibs(state);
    lua_getglobal(state, "package");
    lua_pushstring(state, MODULES);
    lua_setfield(state, -2, "path");
    lua_settop(state, 0);
    lua_pushcfunction(state, explain);
    if (luaL_loadstring(state, "") != LUA_OK)
        return FAILED;
    seed(unishare_seed(UNISHARE_SEED_RANDOM), unishare_seed(UNISHARE_SEED_RANDOM + 1));
    unishare_part_heap();
    unishare_on_resume(resumed);
    unishare_on_snapshot(collect_garbage);
    unishare_when_quiet(collect_when_quiet);
    return load() ? unishare_serve(handle) : FAILED;
}
