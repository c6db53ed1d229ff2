/*
 * Files: the image's archive, read in place, under a writable file system in memory that forgets everything at the end.
 *
 * Calls mean what Linux' system calls of these names mean, and return >= 0 or -errno. Paths are followed from a folder's
 * descriptor or, with AT_FDCWD, from the current folder. Descriptors 0, 1 and 2 are the console. One user, who may do
 * everything: permissions are kept and shown, as for root. What is written over a file of the image is this instance's own. No
 * symbolic or hard links.
 */
#ifndef UNISHARE_FILES_H
#define UNISHARE_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* How many descriptors there can be: RLIMIT_NOFILE. */
enum { UNISHARE_FILES_DESCRIPTORS = 256 };

/* Descriptors. */
int64_t unishare_files_open(int folder, const char *path, int flags, unsigned mode);
int64_t unishare_files_close(int descriptor);
int64_t unishare_files_duplicate(int descriptor, int at_least, int exactly, int close_on_exec);
int64_t unishare_files_control(int descriptor, int command, long argument);
int64_t unishare_files_limit(int most); /* the soft limit: what it was; a negative one leaves it */

/* Content. */
int64_t unishare_files_read(int descriptor, void *into, size_t size);
int64_t unishare_files_write(int descriptor, const void *from, size_t size);
int64_t unishare_files_read_at(int descriptor, void *into, size_t size, int64_t offset);
int64_t unishare_files_write_at(int descriptor, const void *from, size_t size, int64_t offset);
int64_t unishare_files_seek(int descriptor, int64_t offset, int whence);
int64_t unishare_files_truncate(const char *path, int64_t size);
int64_t unishare_files_truncate_open(int descriptor, int64_t size);
int64_t unishare_files_list(int descriptor, void *into, size_t size);

/* What is known of a file. An empty path with a descriptor means what the descriptor has open. */
int64_t unishare_files_status(int folder, const char *path, struct stat *into);
int64_t unishare_files_status_open(int descriptor, struct stat *into);
int64_t unishare_files_access(int folder, const char *path, int mode);
int64_t unishare_files_set_mode(int folder, const char *path, unsigned mode);
int64_t unishare_files_set_mode_open(int descriptor, unsigned mode);
int64_t unishare_files_set_times(int folder, const char *path, const struct timespec *times);
unsigned unishare_files_mask(unsigned mask); /* umask */

/* Names. */
int64_t unishare_files_make_folder(int folder, const char *path, unsigned mode);
int64_t unishare_files_remove(int folder, const char *path, int remove_folder);
int64_t unishare_files_rename(int from_folder, const char *from, int to_folder, const char *to);
int64_t unishare_files_change_folder(const char *path);
int64_t unishare_files_change_folder_open(int descriptor);
int64_t unishare_files_current_folder(char *into, size_t size);

#endif
