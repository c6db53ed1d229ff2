/* Tells which of some languages a text is in: naive Bayes over pairs of letters, trained at start on /app/samples. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <unishare/function.h>

enum { LETTERS = 27, LANGUAGES = 4, LINE = 2048 };

struct language {
    char name[16];
    float score[LETTERS][LETTERS];
};

static struct language languages[LANGUAGES];
static int count;

static int letter(int c)
{
    return isalpha(c) ? tolower(c) - 'a' : 26;
}

static void train(struct language *language, const char *text)
{
    int pairs[LETTERS][LETTERS] = {{0}};

    for (; text[0] && text[1]; text++)
        pairs[letter(text[0])][letter(text[1])]++;
    for (int a = 0; a < LETTERS; a++) {
        int total = LETTERS;

        for (int b = 0; b < LETTERS; b++)
            total += pairs[a][b];
        for (int b = 0; b < LETTERS; b++)
            language->score[a][b] = logf((float)(pairs[a][b] + 1) / (float)total);
    }
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    int best = 0;
    float most = -INFINITY;

    if (request->size < 2)
        return 1;
    for (int i = 0; i < count; i++) {
        float sum = 0;

        for (size_t at = 0; at + 1 < request->size; at++)
            sum += languages[i].score[letter(request->data[at])][letter(request->data[at + 1])];
        if (sum > most) {
            most = sum;
            best = i;
        }
    }
    unishare_answer_printf(answer, "%s\n", languages[best].name);
    return 0;
}

int main(void)
{
    FILE *file = fopen("/app/samples", "r");
    char line[LINE], *text;

    while (file && count < LANGUAGES && fgets(line, sizeof line, file))
        if ((text = strchr(line, ':'))) {
            *text = 0;
            snprintf(languages[count].name, sizeof languages->name, "%s", line);
            train(&languages[count++], text + 1);
        }
    if (!count) {
        perror("/app/samples");
        return 1;
    }
    fclose(file);
    return unishare_serve(handle);
}
