/* Private to this library. */
#ifndef UNISHARE_POSIX_NAMES_H
#define UNISHARE_POSIX_NAMES_H

/* The name of a Linux system call, "?" if there is none. */
const char *system_call_name(unsigned long number);

#endif
