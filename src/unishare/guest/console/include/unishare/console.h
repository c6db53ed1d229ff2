/* The console: where standard output and standard error go. */
#ifndef UNISHARE_CONSOLE_H
#define UNISHARE_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

/* Write bytes; how many were written, or -errno. */
int64_t unishare_console_write(const void *data, size_t size);

#endif
