/* Runs a handler written in Lua: /app/handler.lua returns a function from a request to an answer and, if it likes, a status. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

#include <unishare/function.h>
#include <unishare/lua.h>

static lua_State *state;

static int handle(const unishare_request *request, unishare_answer *answer)
{
    size_t size;
    const char *text;
    int status = 0;

    lua_pushvalue(state, 1);
    lua_pushlstring(state, (const char *)request->data, request->size);
    if (lua_pcall(state, 1, 2, 0) != LUA_OK)
        status = 1;
    else if (!lua_isnil(state, -1))
        status = (int)lua_tointeger(state, -1);
    text = lua_tolstring(state, 2, &size);
    if (text)
        unishare_answer_write(answer, text, size);
    lua_settop(state, 1);
    return status;
}

static void collect(void)
{
    if (unishare_lua_has_changed(state))
        unishare_lua_settle(state);
}

int main(void)
{
    if (!(state = luaL_newstate()))
        return 1;
    luaL_openlibs(state);
    if (luaL_dofile(state, "/app/handler.lua") != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(state, -1));
        return 1;
    }
    lua_settop(state, 1);
    if (!lua_isfunction(state, 1)) {
        fprintf(stderr, "/app/handler.lua: must return a function\n");
        return 1;
    }
    unishare_on_snapshot(collect);
    unishare_when_quiet(collect);
    return unishare_serve(handle);
}
