/* Files: of the image, and made in memory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static void check_streams(void)
{
    char text[32] = "";
    FILE *file = fopen("/tmp/file", "w+");

    CHECK(file && fputs("hello world", file) >= 0 && fseek(file, 6, SEEK_SET) == 0);
    CHECK(fread(text, 1, 5, file) == 5 && !memcmp(text, "world", 5) && ftell(file) == 11);
    CHECK(fread(text, 1, 1, file) == 0 && feof(file) && !ferror(file));
    CHECK(fseek(file, -1000, SEEK_CUR) == -1 && errno == EINVAL);
    CHECK(fclose(file) == 0);
    CHECK((file = fopen("/tmp/file", "a")) && fputs("!", file) >= 0 && fclose(file) == 0);
    CHECK((file = fopen("/tmp/file", "r")) && fgets(text, sizeof text, file) && !strcmp(text, "hello world!"));
    CHECK(fputc('x', file) == EOF && ferror(file) && fclose(file) == 0);
    CHECK(!fopen("/tmp/file", "wx") && errno == EEXIST);
    CHECK(!fopen("/tmp/none", "r") && errno == ENOENT);
    CHECK(!fopen("/tmp/file/below", "r") && errno == ENOTDIR);
    CHECK((file = tmpfile()) && fputs("x", file) >= 0 && fclose(file) == 0);
}

static void check_descriptors(void)
{
    struct stat about;
    int file = open("/tmp/sparse", O_RDWR | O_CREAT | O_EXCL, 0600), other;
    char byte = 'x';

    CHECK(file > 2 && lseek(file, 1 << 20, SEEK_SET) == 1 << 20 && write(file, "end", 3) == 3);
    CHECK(fstat(file, &about) == 0 && about.st_size == (1 << 20) + 3 && S_ISREG(about.st_mode));
    CHECK(pread(file, &byte, 1, 5000) == 1 && byte == 0);
    CHECK(ftruncate(file, 10) == 0 && lseek(file, 0, SEEK_END) == 10);
    CHECK((other = dup(file)) >= 0 && lseek(other, 3, SEEK_SET) == 3 && lseek(file, 0, SEEK_CUR) == 3 && close(other) == 0);
    CHECK(unlink("/tmp/sparse") == 0 && write(file, "still", 5) == 5 && close(file) == 0);
    CHECK(close(file) == -1 && errno == EBADF);
    CHECK(read(99, &byte, 1) == -1 && errno == EBADF);
    CHECK(open("/tmp", O_WRONLY) == -1 && errno == EISDIR);
}

static void check_folders(void)
{
    struct stat about;
    struct dirent *entry;
    int seen = 0;
    char here[64];
    DIR *folder;
    FILE *file;

    CHECK(mkdir("/tmp/folder", 0755) == 0 && mkdir("/tmp/folder", 0755) == -1 && errno == EEXIST);
    CHECK(mkdir("/none/folder", 0755) == -1 && errno == ENOENT);
    CHECK((file = fopen("/tmp/folder/a", "w")) && fclose(file) == 0 && mkdir("/tmp/folder/b", 0755) == 0);
    CHECK((folder = opendir("/tmp/folder")) != NULL);
    while (folder && (entry = readdir(folder)))
        seen += !strcmp(entry->d_name, "a") ? 1 : !strcmp(entry->d_name, "b") ? 10 : entry->d_name[0] == '.' ? 0 : 100;
    CHECK(seen == 11 && closedir(folder) == 0);
    CHECK(rmdir("/tmp/folder") == -1 && errno == ENOTEMPTY);
    CHECK(chdir("/tmp/folder") == 0 && getcwd(here, sizeof here) && !strcmp(here, "/tmp/folder"));
    CHECK(rename("a", "../moved") == 0 && access("a", F_OK) == -1 && access("/tmp/moved", R_OK | W_OK) == 0);
    CHECK(chdir("/") == 0 && rmdir("/tmp/folder/b") == 0 && rmdir("/tmp/folder") == 0 && unlink("/tmp/moved") == 0);
    CHECK(stat("/tmp/folder", &about) == -1 && errno == ENOENT);
    CHECK(stat("/tmp", &about) == 0 && S_ISDIR(about.st_mode));
    CHECK(remove("/tmp/file") == 0 && unlink("/tmp") == -1 && (errno == EISDIR || errno == EPERM));
}

/* The image's own: what is written over one is this instance's alone. */
static void check_image_files(void)
{
    char text[32] = "";
    FILE *file = fopen("/app/words", "r+");

    CHECK(file && fgets(text, sizeof text, file) && !strcmp(text, "alpha\n"));
    CHECK(fseek(file, 0, SEEK_SET) == 0 && fputs("ALPHA", file) >= 0 && fclose(file) == 0);
    CHECK((file = fopen("/app/words", "r")) && fgets(text, sizeof text, file) && !strcmp(text, "ALPHA\n"));
    CHECK(fgets(text, sizeof text, file) && !strcmp(text, "beta\n") && fclose(file) == 0);
}

void check_files(void)
{
    mkdir("/tmp", 0777);
    check_streams();
    check_descriptors();
    check_folders();
    check_image_files();
}
