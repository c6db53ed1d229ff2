/*
 * The last lines of Lua's lstring.c (lua.toml appends the #include): how a state's memory comes to rest.
 *
 * Two things in it depend on how much garbage there was, not on what lives. A collection marks what it leaves with one of two
 * marks in turn. And strings that are garbage make the table of all short strings grow: it moves to another place, and the
 * order of strings in a list of it changes. Without an end to that, an instance that began from a snapshot would have most of
 * its pages for itself after some hundred requests, though its objects are what they were.
 */
#include <stdlib.h>

#include <unishare/lua.h>

/* Of a state that was settled: where the table of strings lies when it is at rest, and the bytes that it held then. While the
 * table is elsewhere its place is kept, not freed. */
struct rest {
    stringtable home;
    lu_mem held;
};

static struct rest **rest_of(lua_State *L)
{
    return lua_getextraspace(G(L)->mainthread);
}

static void *allocate(void *rest, void *block, size_t old_size, size_t size)
{
    stringtable *home = &((struct rest *)rest)->home;
    void *moved;

    if (!size) {
        free(block);
        return NULL;
    }
    if (!block || block != home->hash)
        return realloc(block, size);
    if ((moved = malloc(size)))
        memcpy(moved, block, old_size < size ? old_size : size);
    return moved;
}

/* Put each string into its list, by address. */
static void fill(stringtable *to, TString *strings)
{
    for (TString *next; strings; strings = next) {
        TString **place = &to->hash[lmod(strings->hash, to->size)];

        next = strings->u.hnext;
        while (*place && *place < strings)
            place = &(*place)->u.hnext;
        strings->u.hnext = *place;
        *place = strings;
    }
}

static void come_home(global_State *g, stringtable *home)
{
    stringtable from = g->strt;

    /* What lives needs another size: this is the new place. */
    if (from.hash != home->hash && (from.size < home->size || from.nuse > home->size)) {
        free(home->hash);
        *home = from;
    }
    if (from.hash != home->hash)
        memset(home->hash, 0, (size_t)home->size * sizeof *home->hash);
    for (int i = 0; i < from.size; i++) {
        TString *list = from.hash[i];

        from.hash[i] = NULL;
        fill(home, list);
    }
    if (from.hash == home->hash)
        return;
    free(from.hash);
    g->strt.hash = home->hash;
    g->strt.size = home->size;
    g->GCdebt += ((l_mem)home->size - from.size) * (l_mem)sizeof *home->hash;
}

static void forget_recent_strings(global_State *g)
{
    for (int i = 0; i < STRCACHE_N; i++)
        for (int j = 0; j < STRCACHE_M; j++)
            g->strcache[i][j] = g->memerrmsg;
}

static int has_first_mark(const global_State *g)
{
    return testbit(g->currentwhite, WHITE0BIT);
}

int unishare_lua_has_changed(lua_State *L)
{
    const struct rest *rest = *rest_of(L);

    return !rest || gettotalbytes(G(L)) != rest->held || !has_first_mark(G(L));
}

static struct rest *begin(lua_State *L)
{
    struct rest *rest = calloc(1, sizeof *rest);

    if (!rest)
        return NULL;
    rest->home = G(L)->strt;
    lua_setallocf(L, allocate, rest);
    return *rest_of(L) = rest;
}

void unishare_lua_settle(lua_State *L)
{
    global_State *g = G(L);
    struct rest *rest;

    lua_gc(L, LUA_GCCOLLECT);
    rest = *rest_of(L) ? *rest_of(L) : begin(L);
    if (!rest)
        return;
    come_home(g, &rest->home);
    forget_recent_strings(g);
    /* Once more with all in its place, for the collector's own accounts. */
    do
        lua_gc(L, LUA_GCCOLLECT);
    while (!has_first_mark(g));
    rest->held = gettotalbytes(g);
}
