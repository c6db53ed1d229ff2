/* Statistics of the columns of CSV; the first line names them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <unishare/function.h>

enum { COLUMNS = 32, NAME = 32 };

struct column {
    char name[NAME];
    long count;
    double mean, squares, least, most;
};

/* Welford's method: one pass, no loss of digits. */
static void add(struct column *column, double value)
{
    double before = value - column->mean;

    column->least = !column->count || value < column->least ? value : column->least;
    column->most = !column->count || value > column->most ? value : column->most;
    column->mean += before / (double)++column->count;
    column->squares += before * (value - column->mean);
}

static int read_names(struct column *columns, char *line)
{
    int count = 0;

    for (char *name; count < COLUMNS && (name = strsep(&line, ",")); count++)
        strncpy(columns[count].name, name, NAME - 1);
    return count;
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    struct column columns[COLUMNS] = {0};
    char *text = request->size ? strdup((const char *)request->data) : NULL, *rest = text, *line = strsep(&rest, "\n");
    int count = line && *line ? read_names(columns, line) : 0;

    while (count && (line = strsep(&rest, "\n"))) {
        char *field;

        for (int i = 0; i < count && (field = strsep(&line, ",")); i++) {
            char *end;
            double value = strtod(field, &end);

            if (end != field)
                add(&columns[i], value);
        }
    }
    free(text);
    for (int i = 0; i < count; i++) {
        const struct column *c = &columns[i];

        unishare_answer_printf(answer, "%s: %ld values, mean %.3f, %.3f to %.3f, deviation %.3f\n", c->name, c->count, c->mean,
                               c->least, c->most, c->count > 1 ? sqrt(c->squares / (double)(c->count - 1)) : 0.0);
    }
    return count ? 0 : 1;
}

int main(void)
{
    return unishare_serve(handle);
}
