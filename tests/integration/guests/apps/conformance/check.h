/* A check that goes on after a failure and names it. Hosts look for FAILURE. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>

extern int failures;
#define CHECK(what) ((what) ? (void)0 : (failures++, (void)printf("FAILURE %s:%d: %s\n", __FILE__, __LINE__, #what)))

void check_files(void);
void check_memory(void);
void check_library(void);
void check_time(void);
void check_signals(void);
void check_strings(void);
void check_numbers(void);
void check_algorithms(void);
void check_mathematics(void);
void check_platform(void);
void check_surroundings(int argc, char **argv);
int end(const char *how);

#endif
