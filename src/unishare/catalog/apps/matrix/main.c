/* The determinant and inverse of a matrix by Gauss-Jordan elimination. The request is n, then n * n numbers. */
#include <math.h>
#include <stdlib.h>

#include <unishare/function.h>

enum { SIZE_MAX_ = 32 };

static void swap_rows(double *rows, int width, int a, int b)
{
    for (int i = 0; i < width; i++) {
        double kept = rows[a * width + i];

        rows[a * width + i] = rows[b * width + i];
        rows[b * width + i] = kept;
    }
}

/* Bring the left half to the unit matrix; the determinant. */
static double eliminate(double *rows, int n)
{
    double determinant = 1;
    int width = 2 * n;

    for (int column = 0; column < n; column++) {
        int pivot = column;

        for (int row = column; row < n; row++)
            if (fabs(rows[row * width + column]) > fabs(rows[pivot * width + column]))
                pivot = row;
        if (fabs(rows[pivot * width + column]) < 1e-12)
            return 0;
        if (pivot != column) {
            swap_rows(rows, width, pivot, column);
            determinant = -determinant;
        }
        determinant *= rows[column * width + column];
        for (int i = width - 1; i >= column; i--)
            rows[column * width + i] /= rows[column * width + column];
        for (int row = 0; row < n; row++)
            for (int i = width - 1; row != column && i >= column; i--)
                rows[row * width + i] -= rows[row * width + column] * rows[column * width + i];
    }
    return determinant;
}

static int solve(unishare_answer *answer, char *at, int n)
{
    double rows[SIZE_MAX_ * 2 * SIZE_MAX_] = {0}, determinant;

    for (int row = 0; row < n; row++) {
        for (int column = 0; column < n; column++)
            rows[row * 2 * n + column] = strtod(at, &at);
        rows[row * 2 * n + n + row] = 1;
    }
    determinant = eliminate(rows, n);
    unishare_answer_printf(answer, "determinant %.4f\n", determinant);
    for (int row = 0; row < n && determinant != 0; row++)
        for (int column = 0; column < n; column++)
            unishare_answer_printf(answer, "%.4f%c", rows[row * 2 * n + n + column] + 0.0, column == n - 1 ? '\n' : ' ');
    return 0;
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    char *at = (char *)request->data;
    int n = request->size ? (int)strtol(at, &at, 10) : 0;

    if (n >= 1 && n <= SIZE_MAX_)
        return solve(answer, at, n);
    unishare_answer_printf(answer, "the size is 1 to %d\n", SIZE_MAX_);
    return 1;
}

int main(void)
{
    return unishare_serve(handle);
}
