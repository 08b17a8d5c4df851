/*
 * The numbers of WASI preview 1, as the witx documents fix them: errno values, flags, rights, and the layout of what
 * lies in guest memory. Names follow the witx with the prefix ADK__WASI_.
 */
#ifndef ADK_WASI_ABI_H
#define ADK_WASI_ABI_H

#include <stdint.h>

/* errno. All of them that this host returns. */
enum {
    ADK__WASI_SUCCESS = 0,
    ADK__WASI_EACCES = 2,
    ADK__WASI_EBADF = 8,
    ADK__WASI_EBUSY = 10,
    ADK__WASI_EEXIST = 20,
    ADK__WASI_EFAULT = 21,
    ADK__WASI_EFBIG = 22,
    ADK__WASI_EILSEQ = 25,
    ADK__WASI_EINTR = 27,
    ADK__WASI_EINVAL = 28,
    ADK__WASI_EIO = 29,
    ADK__WASI_EISDIR = 31,
    ADK__WASI_ELOOP = 32,
    ADK__WASI_EMFILE = 33,
    ADK__WASI_EMLINK = 34,
    ADK__WASI_ENAMETOOLONG = 37,
    ADK__WASI_ENOENT = 44,
    ADK__WASI_ENOMEM = 48,
    ADK__WASI_ENOSPC = 51,
    ADK__WASI_ENOSYS = 52,
    ADK__WASI_ENOTDIR = 54,
    ADK__WASI_ENOTEMPTY = 55,
    ADK__WASI_ENOTSOCK = 57,
    ADK__WASI_ENOTSUP = 58,
    ADK__WASI_EOVERFLOW = 61,
    ADK__WASI_EPERM = 63,
    ADK__WASI_ESPIPE = 70,
    ADK__WASI_EXDEV = 75,
    ADK__WASI_ENOTCAPABLE = 76,
};

enum {
    ADK__WASI_CLOCK_REALTIME = 0,
    ADK__WASI_CLOCK_MONOTONIC = 1,
    ADK__WASI_CLOCK_PROCESS_CPUTIME = 2,
    ADK__WASI_CLOCK_THREAD_CPUTIME = 3,
    ADK__WASI_CLOCKS = 4,
};

enum {
    ADK__WASI_FILETYPE_UNKNOWN = 0,
    ADK__WASI_FILETYPE_DIRECTORY = 3,
    ADK__WASI_FILETYPE_REGULAR_FILE = 4,
    ADK__WASI_FILETYPE_SYMBOLIC_LINK = 7,
};

/* fdflags */
enum {
    ADK__WASI_FDFLAG_APPEND = 1U << 0,
    ADK__WASI_FDFLAG_DSYNC = 1U << 1,
    ADK__WASI_FDFLAG_NONBLOCK = 1U << 2,
    ADK__WASI_FDFLAG_RSYNC = 1U << 3,
    ADK__WASI_FDFLAG_SYNC = 1U << 4,
    ADK__WASI_FDFLAGS_ALL = (1U << 5) - 1,
};

/* oflags */
enum {
    ADK__WASI_OFLAG_CREAT = 1U << 0,
    ADK__WASI_OFLAG_DIRECTORY = 1U << 1,
    ADK__WASI_OFLAG_EXCL = 1U << 2,
    ADK__WASI_OFLAG_TRUNC = 1U << 3,
    ADK__WASI_OFLAGS_ALL = (1U << 4) - 1,
};

/* lookupflags */
enum {
    ADK__WASI_LOOKUP_SYMLINK_FOLLOW = 1U << 0,
};

/* fstflags */
enum {
    ADK__WASI_FST_ATIM = 1U << 0,
    ADK__WASI_FST_ATIM_NOW = 1U << 1,
    ADK__WASI_FST_MTIM = 1U << 2,
    ADK__WASI_FST_MTIM_NOW = 1U << 3,
    ADK__WASI_FST_ALL = (1U << 4) - 1,
};

/* whence; in wasi_unstable the same words have other numbers */
enum {
    ADK__WASI_SEEK_SET = 0,
    ADK__WASI_SEEK_CUR = 1,
    ADK__WASI_SEEK_END = 2,
};

enum {
    ADK__WASI_ADVICES = 6, /* normal, sequential, random, willneed, dontneed, noreuse */
};

enum {
    ADK__WASI_EVENT_CLOCK = 0,
    ADK__WASI_EVENT_FD_READ = 1,
    ADK__WASI_EVENT_FD_WRITE = 2,
    ADK__WASI_EVENT_HANGUP = 1U << 0,     /* eventrwflags */
    ADK__WASI_SUBCLOCK_ABSTIME = 1U << 0, /* subclockflags */
};

#define ADK__WASI_RIGHT(bit) (UINT64_C(1) << (bit))

#define ADK__WASI_RIGHT_FD_DATASYNC             ADK__WASI_RIGHT(0)
#define ADK__WASI_RIGHT_FD_READ                 ADK__WASI_RIGHT(1)
#define ADK__WASI_RIGHT_FD_SEEK                 ADK__WASI_RIGHT(2)
#define ADK__WASI_RIGHT_FD_FDSTAT_SET_FLAGS     ADK__WASI_RIGHT(3)
#define ADK__WASI_RIGHT_FD_SYNC                 ADK__WASI_RIGHT(4)
#define ADK__WASI_RIGHT_FD_TELL                 ADK__WASI_RIGHT(5)
#define ADK__WASI_RIGHT_FD_WRITE                ADK__WASI_RIGHT(6)
#define ADK__WASI_RIGHT_FD_ADVISE               ADK__WASI_RIGHT(7)
#define ADK__WASI_RIGHT_FD_ALLOCATE             ADK__WASI_RIGHT(8)
#define ADK__WASI_RIGHT_PATH_CREATE_DIRECTORY   ADK__WASI_RIGHT(9)
#define ADK__WASI_RIGHT_PATH_CREATE_FILE        ADK__WASI_RIGHT(10)
#define ADK__WASI_RIGHT_PATH_LINK_SOURCE        ADK__WASI_RIGHT(11)
#define ADK__WASI_RIGHT_PATH_LINK_TARGET        ADK__WASI_RIGHT(12)
#define ADK__WASI_RIGHT_PATH_OPEN               ADK__WASI_RIGHT(13)
#define ADK__WASI_RIGHT_FD_READDIR              ADK__WASI_RIGHT(14)
#define ADK__WASI_RIGHT_PATH_READLINK           ADK__WASI_RIGHT(15)
#define ADK__WASI_RIGHT_PATH_RENAME_SOURCE      ADK__WASI_RIGHT(16)
#define ADK__WASI_RIGHT_PATH_RENAME_TARGET      ADK__WASI_RIGHT(17)
#define ADK__WASI_RIGHT_PATH_FILESTAT_GET       ADK__WASI_RIGHT(18)
#define ADK__WASI_RIGHT_PATH_FILESTAT_SET_SIZE  ADK__WASI_RIGHT(19)
#define ADK__WASI_RIGHT_PATH_FILESTAT_SET_TIMES ADK__WASI_RIGHT(20)
#define ADK__WASI_RIGHT_FD_FILESTAT_GET         ADK__WASI_RIGHT(21)
#define ADK__WASI_RIGHT_FD_FILESTAT_SET_SIZE    ADK__WASI_RIGHT(22)
#define ADK__WASI_RIGHT_FD_FILESTAT_SET_TIMES   ADK__WASI_RIGHT(23)
#define ADK__WASI_RIGHT_PATH_SYMLINK            ADK__WASI_RIGHT(24)
#define ADK__WASI_RIGHT_PATH_REMOVE_DIRECTORY   ADK__WASI_RIGHT(25)
#define ADK__WASI_RIGHT_PATH_UNLINK_FILE        ADK__WASI_RIGHT(26)
#define ADK__WASI_RIGHT_POLL_FD_READWRITE       ADK__WASI_RIGHT(27)

/* What can be asked of each kind of descriptor. */
#define ADK__WASI_RIGHTS_STREAM \
    (ADK__WASI_RIGHT_FD_FDSTAT_SET_FLAGS | ADK__WASI_RIGHT_FD_FILESTAT_GET | ADK__WASI_RIGHT_POLL_FD_READWRITE)
#define ADK__WASI_RIGHTS_FILE                                                                                         \
    (ADK__WASI_RIGHT_FD_DATASYNC | ADK__WASI_RIGHT_FD_READ | ADK__WASI_RIGHT_FD_SEEK |                                \
     ADK__WASI_RIGHT_FD_FDSTAT_SET_FLAGS | ADK__WASI_RIGHT_FD_SYNC | ADK__WASI_RIGHT_FD_TELL |                        \
     ADK__WASI_RIGHT_FD_WRITE | ADK__WASI_RIGHT_FD_ADVISE | ADK__WASI_RIGHT_FD_ALLOCATE |                             \
     ADK__WASI_RIGHT_FD_FILESTAT_GET | ADK__WASI_RIGHT_FD_FILESTAT_SET_SIZE | ADK__WASI_RIGHT_FD_FILESTAT_SET_TIMES | \
     ADK__WASI_RIGHT_POLL_FD_READWRITE)
#define ADK__WASI_RIGHTS_DIRECTORY                                                                                  \
    (ADK__WASI_RIGHT_FD_DATASYNC | ADK__WASI_RIGHT_FD_FDSTAT_SET_FLAGS | ADK__WASI_RIGHT_FD_SYNC |                  \
     ADK__WASI_RIGHT_PATH_CREATE_DIRECTORY | ADK__WASI_RIGHT_PATH_CREATE_FILE | ADK__WASI_RIGHT_PATH_LINK_SOURCE |  \
     ADK__WASI_RIGHT_PATH_LINK_TARGET | ADK__WASI_RIGHT_PATH_OPEN | ADK__WASI_RIGHT_FD_READDIR |                    \
     ADK__WASI_RIGHT_PATH_READLINK | ADK__WASI_RIGHT_PATH_RENAME_SOURCE | ADK__WASI_RIGHT_PATH_RENAME_TARGET |      \
     ADK__WASI_RIGHT_PATH_FILESTAT_GET | ADK__WASI_RIGHT_PATH_FILESTAT_SET_SIZE |                                   \
     ADK__WASI_RIGHT_PATH_FILESTAT_SET_TIMES | ADK__WASI_RIGHT_FD_FILESTAT_GET |                                    \
     ADK__WASI_RIGHT_FD_FILESTAT_SET_TIMES | ADK__WASI_RIGHT_PATH_SYMLINK | ADK__WASI_RIGHT_PATH_REMOVE_DIRECTORY | \
     ADK__WASI_RIGHT_PATH_UNLINK_FILE)

/* Sizes and offsets in guest memory. */
#define ADK__WASI_IOVEC_SIZE   8  /* buf u32, buf_len u32 */
#define ADK__WASI_PRESTAT_SIZE 8  /* tag u8 (0: directory), +4 name length u32 */
#define ADK__WASI_FDSTAT_SIZE  24 /* filetype u8, +2 flags u16, +8 rights base u64, +16 inheriting u64 */
#define ADK__WASI_DIRENT_SIZE  24 /* next u64, ino u64, name length u32, filetype u8 */
#define ADK__WASI_EVENT_SIZE   32 /* userdata u64, +8 error u16, +10 type u8, +16 nbytes u64, +24 flags u16 */

/* filestat: dev u64, ino u64, filetype u8, then nlink, size u64, atim, mtim, ctim u64. */
#define ADK__WASI_FILESTAT_SIZE          64 /* nlink u64 at 24 */
#define ADK__WASI_UNSTABLE_FILESTAT_SIZE 56 /* nlink u32 at 20 */

/*
 * subscription: userdata u64, tag u8 at 8, then at 16 an fd u32, or a clock: id u32, +8 timeout u64, +16 precision u64,
 * +24 flags u16. In wasi_unstable the clock begins with one more u64 that nobody uses.
 */
#define ADK__WASI_SUBSCRIPTION_SIZE          48
#define ADK__WASI_UNSTABLE_SUBSCRIPTION_SIZE 56

#endif
