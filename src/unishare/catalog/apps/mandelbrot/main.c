/* The Mandelbrot set around a point: "x y width". */
#include <stdlib.h>

#include <unishare/function.h>

enum { COLUMNS = 60, ROWS = 24, LIMIT = 200 };

static int escape(double x, double y)
{
    double a = 0, b = 0;
    int count = 0;

    while (a * a + b * b < 4 && count < LIMIT) {
        double next = a * a - b * b + x;

        b = 2 * a * b + y;
        a = next;
        count++;
    }
    return count;
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    char *at = (char *)request->data;
    double x = -0.5, y = 0, width = 3;

    if (request->size) {
        x = strtod(at, &at);
        y = strtod(at, &at);
        width = strtod(at, &at);
    }
    if (!(width > 0))
        return 1;
    for (int row = 0; row < ROWS; row++) {
        char line[COLUMNS + 1];

        for (int column = 0; column < COLUMNS; column++)
            line[column] =
                " .:-=+*#%@"[escape(x + width * (column - COLUMNS / 2) / COLUMNS, y + width * (row - ROWS / 2) / COLUMNS * 2)
                             * 9 / LIMIT];
        line[COLUMNS] = '\n';
        unishare_answer_write(answer, line, sizeof line);
    }
    return 0;
}

int main(void)
{
    return unishare_serve(handle);
}
