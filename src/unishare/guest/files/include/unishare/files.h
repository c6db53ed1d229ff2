/*
 * Files: the image's archive, read-only in place, under a writable file system in memory that forgets everything at the end.
 *
 * Calls mean what Linux' system calls of these names mean, and return >= 0 or -errno. Descriptors 0, 1 and 2 are the console.
 * No symbolic or hard links, no owners, no permissions: one user, one program.
 */
#ifndef UNISHARE_FILES_H
#define UNISHARE_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

int64_t unishare_files_open(const char *path, int flags);
int64_t unishare_files_close(int descriptor);
int64_t unishare_files_duplicate(int descriptor, int at_least, int exactly);
int64_t unishare_files_read(int descriptor, void *into, size_t size);
int64_t unishare_files_write(int descriptor, const void *from, size_t size);
int64_t unishare_files_read_at(int descriptor, void *into, size_t size, int64_t offset);
int64_t unishare_files_write_at(int descriptor, const void *from, size_t size, int64_t offset);
int64_t unishare_files_seek(int descriptor, int64_t offset, int whence);
int64_t unishare_files_control(int descriptor, int command, long argument);
int64_t unishare_files_truncate(const char *path, int64_t size);
int64_t unishare_files_truncate_open(int descriptor, int64_t size);
int64_t unishare_files_status(const char *path, struct stat *into);
int64_t unishare_files_status_open(int descriptor, struct stat *into);
int64_t unishare_files_access(const char *path);
int64_t unishare_files_list(int descriptor, void *into, size_t size);
int64_t unishare_files_make_folder(const char *path);
int64_t unishare_files_remove(const char *path, int folder);
int64_t unishare_files_rename(const char *from, const char *to);
int64_t unishare_files_change_folder(const char *path);
int64_t unishare_files_current_folder(char *into, size_t size);

#endif
