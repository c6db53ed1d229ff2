/*
 * Looking at a function without running it, when it is built: a request is the archive of the image's files (USTAR), the answer
 * what is wrong with them. Each script is compiled by the interpreter that will run it.
 */
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include <unishare/function.h>

#include "check.h"

/* POSIX.1-2017, pax, "ustar Interchange Format". */
enum { RECORD = 512, NAME_SIZE = 100, SIZE_AT = 124, SIZE_SIZE = 12, TYPE_AT = 156 };

static size_t octal(const uint8_t *digits)
{
    size_t value = 0;

    for (int i = 0; i < SIZE_SIZE && digits[i] >= '0' && digits[i] <= '7'; i++)
        value = value * 8 + (size_t)(digits[i] - '0');
    return value;
}

/* Compile a script as luaL_loadfile does, which passes over a first line of `#!`; 0 if it cannot be, and the answer says why.
 */
static int compile(lua_State *lua, const char *path, const uint8_t *text, size_t size, unishare_answer *answer)
{
    char chunk[NAME_SIZE + sizeof "@/"];
    const uint8_t *end = size && *text == '#' ? memchr(text, '\n', size) : text;
    int is_right;

    if (!end)
        return 1;
    snprintf(chunk, sizeof chunk, "@/%s", path);
    is_right = luaL_loadbuffer(lua, (const char *)end, size - (size_t)(end - text), chunk) == LUA_OK;
    if (!is_right)
        unishare_answer_printf(answer, "%s\n", lua_tostring(lua, -1));
    lua_settop(lua, 0);
    return is_right;
}

static int check(const unishare_request *request, unishare_answer *answer)
{
    lua_State *lua = luaL_newstate();
    int has_handler = 0, wrong = 0;

    if (!lua)
        return 1;
    for (size_t at = 0; request->size - at >= RECORD && request->data[at];) {
        const uint8_t *record = request->data + at;
        size_t size = octal(record + SIZE_AT);
        char path[NAME_SIZE + 1] = "";
        const char *ending;

        at += RECORD;
        if (size > request->size - at)
            break;
        memcpy(path, record, NAME_SIZE);
        ending = strrchr(path, '.');
        has_handler |= !strcmp(path, HANDLER + 1);
        if ((record[TYPE_AT] == '0' || !record[TYPE_AT]) && ending && !strcmp(ending, ".lua"))
            wrong |= !compile(lua, path, record + RECORD, size, answer);
        size = (size + RECORD - 1) / RECORD * RECORD;
        at = size > request->size - at ? request->size : at + size;
    }
    lua_close(lua);
    if (!has_handler)
        unishare_answer_printf(answer, "no handler: put \"" HANDLER "\" = \"handler.lua\" into [files] of app.toml\n");
    return wrong || !has_handler;
}

int check_serve(void)
{
    return unishare_serve(check);
}
