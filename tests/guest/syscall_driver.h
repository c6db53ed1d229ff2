/* What the driver runs on: the guest's C or the kernel. */
#ifndef SYSCALL_DRIVER_H
#define SYSCALL_DRIVER_H

/* Once, before all scripts. */
void set_up(const char *folder);

/* In a script's own process. */
void begin(void);

/* What a guest does that has nothing to do. */
void rest(void);

/* A system call; -errno if it fails. */
long call(long number, long a, long b, long c, long d, long e, long f);

#endif
