/* The peers' function as a plain program: answers each line with a greeting. Built statically by evaluation/peers/programs.py. */
#include <string.h>
#include <unistd.h>

int main(void)
{
    static char line[4096];
    static const char greeting[] = "hello, ";
    ssize_t size;
    while ((size = read(0, line, sizeof line)) > 0) {
        if (write(1, greeting, sizeof greeting - 1) < 0 || write(1, line, (size_t)size) < 0)
            return 1;
    }
    return 0;
}
