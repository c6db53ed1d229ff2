/* The groups of system calls. Each returns 1 and sets `*result` if the call is one of its own. Private to this library. */
#ifndef UNISHARE_POSIX_CALLS_H
#define UNISHARE_POSIX_CALLS_H

struct call {
    long number, a, b, c, d, e, f;
};

int file_call(const struct call *call, long *result);
int path_call(const struct call *call, long *result);
int memory_call(const struct call *call, long *result);
int time_call(const struct call *call, long *result);
int process_call(const struct call *call, long *result);
int signal_call(const struct call *call, long *result);

#endif
