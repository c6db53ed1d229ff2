/* Numbers in, the magnitudes of their discrete Fourier transform out. */
#include <kiss_fft.h>
#include <math.h>
#include <stdlib.h>

#include <unishare/function.h>

enum { SAMPLES_MAX = 4096 };

static int transform(unishare_answer *answer, const kiss_fft_cpx *signal, kiss_fft_cpx *spectrum, int count)
{
    kiss_fft_cfg plan = kiss_fft_alloc(count, 0, NULL, NULL);

    if (!plan)
        return 1;
    kiss_fft(plan, signal, spectrum);
    for (int i = 0; i < count; i++)
        unishare_answer_printf(answer, "%.3f\n", hypot(spectrum[i].r, spectrum[i].i) + 0.0);
    kiss_fft_free(plan);
    return 0;
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    kiss_fft_cpx *signal = calloc(2 * SAMPLES_MAX, sizeof *signal);
    char *at = (char *)request->data, *end = at;
    int count = 0, status = 1;

    while (signal && request->size && count < SAMPLES_MAX) {
        signal[count].r = strtod(at, &end);
        if (end == at)
            break;
        at = end;
        count++;
    }
    if (count)
        status = transform(answer, signal, signal + SAMPLES_MAX, count);
    else
        unishare_answer_printf(answer, "no numbers\n");
    free(signal);
    return status;
}

int main(void)
{
    return unishare_serve(handle);
}
