/* What the programs of this suite share. Each is written from the specification of WASI preview 1; what an implementation
 * may choose is left open. A check that fails ends the program with status 1 and says where. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

#define ROOT       3 /* the one preopen that is always there: "/" */
#define ALL_RIGHTS (~(__wasi_rights_t)0 >> (64 - 30))
#define READ_WRITE                                                                                              \
    (__WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_WRITE | __WASI_RIGHTS_FD_SEEK | __WASI_RIGHTS_FD_TELL |           \
     __WASI_RIGHTS_FD_FILESTAT_GET | __WASI_RIGHTS_FD_FILESTAT_SET_SIZE | __WASI_RIGHTS_FD_FILESTAT_SET_TIMES | \
     __WASI_RIGHTS_FD_ALLOCATE | __WASI_RIGHTS_FD_ADVISE | __WASI_RIGHTS_FD_SYNC | __WASI_RIGHTS_FD_DATASYNC |  \
     __WASI_RIGHTS_FD_FDSTAT_SET_FLAGS | __WASI_RIGHTS_POLL_FD_READWRITE)
#define ANY_OF(...) ((const int[]){__VA_ARGS__, -1})

static inline void check__errno(int line, const char *what, int got, const int *wanted)
{
    for (const int *one = wanted; *one >= 0; one++)
        if (got == *one)
            return;
    fprintf(stderr, "line %d: %s: errno %d (%s), wanted %d\n", line, what, got, strerror(got), wanted[0]);
    exit(1);
}

/* The call must succeed, fail with this error, or fail with one of these. */
#define OK(call)               check__errno(__LINE__, #call, (call), ANY_OF(0))
#define FAILS(call, error)     check__errno(__LINE__, #call, (call), ANY_OF(__WASI_ERRNO_##error))
#define FAILS2(call, one, two) check__errno(__LINE__, #call, (call), ANY_OF(__WASI_ERRNO_##one, __WASI_ERRNO_##two))
#define FAILS3(call, one, two, three) \
    check__errno(__LINE__, #call, (call), ANY_OF(__WASI_ERRNO_##one, __WASI_ERRNO_##two, __WASI_ERRNO_##three))

#define CHECK(condition)                                            \
    do {                                                            \
        if (!(condition)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
            exit(1);                                                \
        }                                                           \
    } while (0)

/* Opens with rights to read and write, and tells the error. */
static inline int open_at(__wasi_fd_t dir, const char *path, __wasi_oflags_t oflags, __wasi_fdflags_t fdflags,
                          __wasi_fd_t *ret_fd)
{
    bool directory = (oflags & __WASI_OFLAGS_DIRECTORY) != 0;

    return __wasi_path_open(dir, 0, path, oflags,
                            directory ? ALL_RIGHTS & ~(__wasi_rights_t)__WASI_RIGHTS_FD_WRITE : READ_WRITE,
                            directory ? ALL_RIGHTS : 0, fdflags, ret_fd);
}

static inline __wasi_fd_t make_file(__wasi_fd_t dir, const char *path, const char *content)
{
    __wasi_fd_t fd = 0;
    __wasi_ciovec_t vector = {(const uint8_t *)content, strlen(content)};
    __wasi_size_t done = 0;

    check__errno(__LINE__, path, open_at(dir, path, __WASI_OFLAGS_CREAT | __WASI_OFLAGS_TRUNC, 0, &fd), ANY_OF(0));
    CHECK(fd > 2);
    check__errno(__LINE__, path, __wasi_fd_write(fd, &vector, 1, &done), ANY_OF(0));
    CHECK(done == vector.buf_len);
    return fd;
}

/* Makes an empty directory and returns it opened. */
static inline __wasi_fd_t make_dir(__wasi_fd_t dir, const char *path)
{
    __wasi_fd_t fd = 0;

    check__errno(__LINE__, path, __wasi_path_create_directory(dir, path), ANY_OF(0));
    check__errno(__LINE__, path, open_at(dir, path, __WASI_OFLAGS_DIRECTORY, 0, &fd), ANY_OF(0));
    return fd;
}

/* The content of a file from its beginning, as a string in a buffer of this function's own. */
static inline const char *content_of(__wasi_fd_t fd)
{
    static char buffer[4096];
    __wasi_iovec_t vector = {(uint8_t *)buffer, sizeof(buffer) - 1};
    __wasi_size_t done = 0;

    check__errno(__LINE__, "fd_pread", __wasi_fd_pread(fd, &vector, 1, 0, &done), ANY_OF(0));
    buffer[done] = '\0';
    return buffer;
}

static inline bool exists(__wasi_fd_t dir, const char *path)
{
    __wasi_filestat_t status;

    return __wasi_path_filestat_get(dir, 0, path, &status) == 0;
}
