/*
 * Which locales there are, in place of musl's search for files of messages (src/locale/locale_map.c), which takes every name
 * for a locale: C, POSIX and C.UTF-8. Any other is refused, and setlocale and newlocale fail.
 */
#include <limits.h>
#include <locale.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* As musl has them (src/internal/locale_impl.h). */
struct __locale_map;
extern const struct __locale_map __c_dot_utf8;
volatile int __locale_lock[1];

#define FAILED ((const struct __locale_map *)-1)

static const char *by_environment(int category)
{
    static const char variables[][12] = {"LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY", "LC_MESSAGES"};
    const char *name = getenv("LC_ALL");

    if (!name || !*name)
        name = getenv(variables[category]);
    if (!name || !*name)
        name = getenv("LANG");
    return name && *name ? name : "C.UTF-8";
}

/* What C is called in a category: nothing, but for the characters of UTF-8. */
const struct __locale_map *__get_locale(int category, const char *name)
{
    if (!*name)
        name = by_environment(category);
    if (!strcmp(name, "C.UTF-8") || !strcmp(name, "C.utf8"))
        return category == LC_CTYPE ? &__c_dot_utf8 : NULL;
    return !strcmp(name, "C") || !strcmp(name, "POSIX") ? NULL : FAILED;
}

/* Messages are not translated. */
const char *__lctrans_impl(const char *message, const struct __locale_map *map)
{
    (void)map;
    return message;
}
