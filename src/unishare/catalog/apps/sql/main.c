/* SQL over /app/books.db: every row as tab-separated text. Changes last as long as the instance. */
#include <sqlite3.h>
#include <stdio.h>

#include <unishare/function.h>

static sqlite3 *database;

static int add_row(void *answer, int columns, char **values, char **names)
{
    (void)names;
    for (int i = 0; i < columns; i++)
        unishare_answer_printf(answer, "%s%s", i ? "\t" : "", values[i] ? values[i] : "NULL");
    unishare_answer_write(answer, "\n", 1);
    return 0;
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    char *message = NULL;

    if (!request->size || sqlite3_exec(database, (const char *)request->data, add_row, answer, &message) == SQLITE_OK)
        return 0;
    unishare_answer_clear(answer);
    unishare_answer_printf(answer, "%s\n", message ? message : "out of memory");
    sqlite3_free(message);
    return 1;
}

int main(void)
{
    if (sqlite3_open("/app/books.db", &database) != SQLITE_OK) {
        fprintf(stderr, "/app/books.db: %s\n", sqlite3_errmsg(database));
        return 1;
    }
    return unishare_serve(handle);
}
