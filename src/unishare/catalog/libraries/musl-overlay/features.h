/*
 * Stands in front of musl's own src/include/features.h. Inside one libc file, hidden symbols are a gain; here the parts of musl
 * are libraries of their own, each at a base of its own under the layout aslr, and must reach each other's.
 */
#ifndef UNISHARE_MUSL_FEATURES_H
#define UNISHARE_MUSL_FEATURES_H
#include_next <features.h>
#undef hidden
#define hidden
#endif
