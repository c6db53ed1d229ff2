/* What this build of Lua can do more than Lua: bring a state's memory to rest. */
#ifndef UNISHARE_LUA_H
#define UNISHARE_LUA_H

#include <lua.h>

/* Whether anything was allocated or collected since the state was settled. */
int unishare_lua_has_changed(lua_State *state);

/*
 * Collect garbage, and leave the memory of what lives as if there had never been any: for a state that waits. It must have
 * luaL_newstate's allocator, and its extra space (lua_getextraspace) is used.
 */
void unishare_lua_settle(lua_State *state);

#endif
