/*
 * The in-memory file system of one run: inodes, directories, symbolic and hard links, sparse files, quotas, and
 * read-only content shared copy-on-write between runs. It knows nothing of WASI or WebAssembly.
 *
 * The objects:
 *
 *   adk__vfs         one tree. It belongs to one run and to one thread at a time.
 *   adk__vfs_inode   a file, directory or symbolic link. A pointer to one is a *held reference*: an open file or an
 *                    open directory is nothing but that. An inode lives as long as it has a name or a reference.
 *   adk__vfs_image   a frozen tree, immutable and reference-counted; any number of vfs on any threads may show it as
 *                    their initial content. It is made by building an ordinary vfs and sealing it.
 *
 * Conventions of every function below, unless it says otherwise:
 *
 *   Results:   0, or a negative errno value. Outputs come last, are named ret_x, and are not written on failure.
 *   Paths:     (pointer, size), not NUL-terminated, resolved beneath the directory they are given with, which is also
 *              the boundary: `..` above it, an absolute path, and a symbolic link that is absolute or leads above it
 *              are -EPERM. Path errors: -ENOENT (also for the empty path), -ENOTDIR, -ELOOP (more than 40 links, or
 *              more than 8192 bytes of their targets), -ENAMETOOLONG (component above 255 bytes, path above 4096),
 *              -EINVAL (a NUL in it). Bytes are otherwise taken as they are; whether they are UTF-8 is the caller's
 *              affair.
 *   Memory:    all a guest can make the tree keep (bodies, names, inodes, entries, tables) is charged to the quota and
 *              to the budget before it is taken, and given back when it goes. -ENOSPC: quota or budget refused;
 *              -ENOMEM: the host's malloc failed. A failed call leaves the tree as it was, but where a shorter result
 *              is documented. A tree that holds more than a little takes memory in pieces of 64 KiB and 2 MiB, charges
 *              them whole and gives them back when nothing is left in them. Content of images and borrowed content is
 *              not charged; what a write copies of it is, and so are the inodes that come into being as a shared tree
 *              is visited. The process keeps up to 64 MiB of freed memory for trees to come (blocks.c).
 *   Ownership: a `dir` or `inode` parameter is borrowed for the call. `adk__vfs_inode **ret_inode` yields a reference
 *              that the caller gives back with adk__vfs_drop().
 *   Threads:   one thread at a time per vfs and all its inodes. Images: any thread.
 *   Cost:      half a millisecond at most in a tree of 64 MiB, whatever a guest has made of it, adk__vfs_free()
 *              included (bench/bench_vfs.c); but for what moves or visits content, and two things that are not the
 *              guest's to choose: the first change to a directory that an image shows makes an entry of each of its
 *              nodes (0.2 microseconds apiece), and a huge page that the machine's own host has yet to find may take
 *              it two milliseconds.
 *   Time:      nanoseconds since the epoch, from the options' clock, read at most once per call. Reading does not
 *              update access times (as with noatime).
 */
#ifndef ADK_VFS_VFS_H
#define ADK_VFS_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADK__VFS_NAME_MAX     255  /* bytes in a path component */
#define ADK__VFS_PATH_MAX     4096 /* bytes in a path, and in a symbolic link's target */
#define ADK__VFS_SYMLINKS_MAX 40   /* symbolic links followed in one resolution */

#define ADK__VFS_LINKED_MAX 8192 /* bytes of targets in those, so that no path takes long */

#define ADK__VFS_RENAME_DEPTH_MAX 16384 /* levels looked at to see that a directory is not moved into itself */

#define ADK__VFS_DEFAULT_BYTES  (UINT64_C(64) << 20)
#define ADK__VFS_DEFAULT_INODES (UINT64_C(1) << 20)

typedef struct adk__vfs adk__vfs;
typedef struct adk__vfs_inode adk__vfs_inode;
typedef struct adk__vfs_image adk__vfs_image;

/** What a vfs is made with. All zero is a valid value: defaults, no shared budget, the system's clock. */
typedef struct adk__vfs_options {
    uint64_t max_bytes;    /* kept in all; 0: ADK__VFS_DEFAULT_BYTES, or with a budget (`charge`) no own limit */
    uint64_t max_inodes;   /* alive at once, the root included; 0: ADK__VFS_DEFAULT_INODES */
    uint32_t max_symlinks; /* followed in one resolution; 0 and above 40: 40 */

    /* The budget shared with others. `charge` answers before memory is taken, false refuses; `release` gives back. */
    bool (*charge)(void *budget_data, uint64_t bytes);
    void (*release)(void *budget_data, uint64_t bytes);
    void *budget_data;

    uint64_t (*clock_ns)(void *clock_data); /* NULL: CLOCK_REALTIME */
    void *clock_data;

    adk__vfs_image *image; /* initial content of the root, or NULL; the vfs takes a reference of its own */
} adk__vfs_options;

typedef uint32_t adk__vfs_type;
enum {
    ADK__VFS_TYPE_FILE = 1,
    ADK__VFS_TYPE_DIRECTORY = 2,
    ADK__VFS_TYPE_SYMLINK = 3,
};

typedef struct adk__vfs_stat {
    uint64_t ino;  /* never reused within a vfs */
    uint64_t size; /* bytes of a file; length of a link's target; number of entries of a directory */
    uint64_t nlink;
    uint64_t atime_ns;
    uint64_t mtime_ns;
    uint64_t ctime_ns;
    adk__vfs_type type;
    bool changed; /* content, entries or times changed, or made, since the last adk__vfs_mark() */
} adk__vfs_stat;

typedef struct adk__vfs_dirent {
    uint64_t cookie; /* continue after this entry with it */
    uint64_t ino;
    const char *name; /* not NUL-terminated; good until the vfs is changed */
    size_t name_size;
    adk__vfs_type type;
} adk__vfs_dirent;

/* ---- the tree ------------------------------------------------------------------------------------------------- */

/**
 * Makes an empty tree, or one that shows `options->image`. `options` may be NULL.
 *
 * Ownership: the caller owns *ret_vfs. `options` is copied; its callbacks and their data must outlive the vfs.
 * Errors:    -ENOMEM, -ENOSPC (the quota or budget refuses even the root).
 */
int adk__vfs_new(const adk__vfs_options *options, adk__vfs **ret_vfs);

/** Frees the tree and gives all its bytes back to the budget. References still held die with it. NULL is fine. */
void adk__vfs_free(adk__vfs *vfs);

/** The root directory; borrowed, lives as long as the vfs. Never fails. */
adk__vfs_inode *adk__vfs_root(adk__vfs *vfs);

/** Bytes charged and inodes counted now. Never fails. */
void adk__vfs_usage(const adk__vfs *vfs, uint64_t *ret_bytes, uint64_t *ret_inodes);

/** From here on `changed` means changed since now: the host calls it when the initial content is complete. */
void adk__vfs_mark(adk__vfs *vfs);

/** What is in the tree now is the host's own: adk__vfs_walk() passes it over for as long as it stays unchanged. */
void adk__vfs_own(adk__vfs *vfs);

/**
 * Lifts quotas and budget for good, so that a host that collects results is not refused memory by what the guest has
 * used up. What was charged till now stays charged until the vfs is freed.
 */
void adk__vfs_lift_limits(adk__vfs *vfs);

/**
 * Has quotas and budget hold again, for a tree that goes on after it was collected from. Only where no inode was made and
 * none was freed meanwhile, as in a walk through a tree without an image.
 */
void adk__vfs_restore_limits(adk__vfs *vfs);

/** Takes another reference to `inode` and returns it. Never fails. */
adk__vfs_inode *adk__vfs_hold(adk__vfs_inode *inode);

/** Gives a reference back; an inode without names goes with its last reference. NULL is fine. */
void adk__vfs_drop(adk__vfs_inode *inode);

/* ---- by path -------------------------------------------------------------------------------------------------- */

/**
 * Finds an inode without opening it: for stat, times, and the like. `follow` says whether a symbolic link at the end is
 * followed; one followed by a slash always is.
 */
int adk__vfs_resolve(adk__vfs_inode *dir, const char *path, size_t path_size, bool follow, adk__vfs_inode **ret_inode);

enum {
    ADK__VFS_OPEN_CREATE = 1U << 0,
    ADK__VFS_OPEN_EXCLUSIVE = 1U << 1, /* with CREATE: -EEXIST if there is anything, also a dangling link */
    ADK__VFS_OPEN_TRUNCATE = 1U << 2,
    ADK__VFS_OPEN_DIRECTORY = 1U << 3, /* -ENOTDIR for anything else */
    ADK__VFS_OPEN_FOLLOW = 1U << 4,    /* a link at the end; without it such a link is -ELOOP */
    ADK__VFS_OPEN_WRITE = 1U << 5,     /* the caller means to write: a directory is -EISDIR */
};

/**
 * Opens a file or directory, as open(2) does; the open file is the reference, offsets and rights are the caller's.
 *
 * Errors: those of paths and memory; -EEXIST; -EISDIR (CREATE, TRUNCATE or WRITE on a directory, CREATE with a slash
 *         at the end); -ENOTDIR; -ELOOP; -EINVAL (CREATE with DIRECTORY).
 */
int adk__vfs_open(adk__vfs_inode *dir, const char *path, size_t path_size, uint32_t flags, adk__vfs_inode **ret_inode);

/** Makes a directory. -EEXIST if the name is taken, by whatever. */
int adk__vfs_mkdir(adk__vfs_inode *dir, const char *path, size_t path_size);

/** Makes a directory and those above it, as `mkdir -p`; for the host. -ENOTDIR or -EEXIST: something is in the way. */
int adk__vfs_mkdir_all(adk__vfs_inode *dir, const char *path, size_t path_size);

/** Removes an empty directory. -ENOTEMPTY, -ENOTDIR, -EINVAL (`.` at the end), as rmdir(2). */
int adk__vfs_rmdir(adk__vfs_inode *dir, const char *path, size_t path_size);

/** Removes a name that is not a directory's (-EISDIR). The inode lives on while it is held or has other names. */
int adk__vfs_unlink(adk__vfs_inode *dir, const char *path, size_t path_size);

/**
 * Renames as rename(2) does, slashes at the end included; replaces what is there in one step. Both directories belong
 * to the same vfs.
 *
 * Errors: those of paths and memory; -EBUSY (`.` or `..` at the end of either), -EINVAL (into itself), -EISDIR,
 *         -ENOTDIR, -ENOTEMPTY; -ELOOP (from one directory to another, where either lies deeper than
 *         ADK__VFS_RENAME_DEPTH_MAX: no path is that long, it takes a chain of open directories to get there).
 */
int adk__vfs_rename(adk__vfs_inode *old_dir, const char *old_path, size_t old_size, adk__vfs_inode *new_dir,
                    const char *new_path, size_t new_size);

/** Makes a hard link, as linkat(2). -EEXIST; -EPERM for directories. Both directories belong to the same vfs. */
int adk__vfs_link(adk__vfs_inode *old_dir, const char *old_path, size_t old_size, bool follow, adk__vfs_inode *new_dir,
                  const char *new_path, size_t new_size);

/**
 * Makes a symbolic link; the target is stored as it is. An absolute target is -EPERM, as other WASI runtimes have it,
 * unless the host says `allow_absolute` for links it copies in (following such a link is -EPERM all the same). A slash
 * at the end of `path` is -ENOENT, or -ENOTDIR over what is no directory.
 *
 * Errors: those of paths and memory; -EEXIST; -ENOENT (empty target); -ENAMETOOLONG (above ADK__VFS_PATH_MAX); -EINVAL
 *         (a NUL in it); -EPERM.
 */
int adk__vfs_symlink(const char *target, size_t target_size, bool allow_absolute, adk__vfs_inode *dir, const char *path,
                     size_t path_size);

/** Copies at most `buffer_size` bytes of a link's target; *ret_size is how many. -EINVAL if it is not a link. */
int adk__vfs_readlink(adk__vfs_inode *dir, const char *path, size_t path_size, char *buffer, size_t buffer_size,
                      size_t *ret_size);

/**
 * Makes a file whose content is `data`, borrowed: nothing is copied until it is written, and then only the 64 KiB
 * pieces that are touched. `data` must outlive the vfs, and an image sealed from it. -EEXIST if the name is taken.
 */
int adk__vfs_add_borrowed(adk__vfs_inode *dir, const char *path, size_t path_size, const void *data, size_t data_size);

/* ---- on an inode ---------------------------------------------------------------------------------------------- */

/** Never fails. */
void adk__vfs_get_stat(const adk__vfs_inode *inode, adk__vfs_stat *ret_stat);

/** Size in bytes of a file, as in adk__vfs_stat otherwise: for SEEK_END. Never fails. */
uint64_t adk__vfs_size(const adk__vfs_inode *inode);

enum {
    ADK__VFS_ATIME = 1U << 0, /* set it to the value given */
    ADK__VFS_MTIME = 1U << 1,
    ADK__VFS_ATIME_NOW = 1U << 2, /* set it to now */
    ADK__VFS_MTIME_NOW = 1U << 3,
};

/** Sets the times `which` names and leaves others. -EINVAL if both forms of one are named. */
int adk__vfs_set_times(adk__vfs_inode *inode, uint32_t which, uint64_t atime_ns, uint64_t mtime_ns);

/*
 * The functions below work on files: a directory is -EISDIR, a symbolic link -EINVAL. No size exceeds INT64_MAX:
 * -EFBIG.
 */

/** Reads up to `size` bytes at `offset`; *ret_read is 0 at and beyond the end. Holes read as zeros. */
int adk__vfs_pread(const adk__vfs_inode *inode, void *buffer, size_t size, uint64_t offset, size_t *ret_read);

/**
 * Writes at `offset`; beyond the end the gap becomes a hole. If memory ends midway, *ret_written is how much was
 * written and the call succeeds; it fails only if nothing was.
 */
int adk__vfs_pwrite(adk__vfs_inode *inode, const void *data, size_t size, uint64_t offset, size_t *ret_written);

/** Writes at the end, as adk__vfs_pwrite(); *ret_offset is the offset after what was written. */
int adk__vfs_append(adk__vfs_inode *inode, const void *data, size_t size, size_t *ret_written, uint64_t *ret_offset);

/** Sets the size: growing makes a hole, shrinking frees. */
int adk__vfs_truncate(adk__vfs_inode *inode, uint64_t size);

/**
 * Takes the memory for a range, so that writing it cannot be refused, and extends the size to its end if it is
 * shorter. -EINVAL for an empty range. On failure the size is as before.
 */
int adk__vfs_allocate(adk__vfs_inode *inode, uint64_t offset, uint64_t size);

/* ---- directories ---------------------------------------------------------------------------------------------- */

/**
 * The entry after `cookie`: 0 to begin, then the cookie of the entry before. `.` and `..` come first, then entries in
 * the order they were made. An entry that is there during a whole scan comes exactly once, whatever else comes and
 * goes; a cookie whose entry is gone is as good as any. A step costs O(log n).
 *
 * Returns 1 with *ret_entry, 0 at the end (nothing is written), or: -ENOTDIR; -ENOENT (the directory was removed).
 */
int adk__vfs_readdir(adk__vfs_inode *dir, uint64_t cookie, adk__vfs_dirent *ret_entry);

/** What adk__vfs_walk() calls: 0 goes on, anything else ends the walk with that value. Must not change the tree. */
typedef int (*adk__vfs_visit)(void *data, const char *path, size_t path_size, adk__vfs_inode *inode);

/**
 * Visits all that is beneath `dir`, a directory before its entries, with paths relative to `dir`; links are visited and
 * not followed. For the host; call adk__vfs_lift_limits() first. Entries whose path is longer than ADK__VFS_PATH_MAX
 * are counted in *ret_skipped (may be NULL) and not visited, nor is what is beneath them. With `changed_only`, shared
 * content nobody has touched is passed over, and only inodes that are `changed` are visited (directories are always
 * looked into).
 *
 * Returns 0, what `visit` returned, or -ENOMEM, -ENOTDIR; with limits in force also -ENOSPC.
 */
int adk__vfs_walk(adk__vfs_inode *dir, bool changed_only, adk__vfs_visit visit, void *data, uint64_t *ret_skipped);

/* ---- images --------------------------------------------------------------------------------------------------- */

/**
 * Freezes the present content of `vfs` into an image. Content is copied, but for borrowed content that is still as it
 * was given, which stays borrowed. A file with several names becomes several files. Inodes without a name are left out.
 *
 * Ownership: the caller owns *ret_image (one reference); `vfs` stays the caller's, is not changed, and may be freed.
 * Errors:    -ENOMEM, -ENOSPC (visiting a shared tree that the vfs itself shows), -EOVERFLOW (above 2^32 - 2 inodes).
 */
int adk__vfs_seal(adk__vfs *vfs, adk__vfs_image **ret_image);

/** Another reference. Any thread. Never fails. */
adk__vfs_image *adk__vfs_image_ref(adk__vfs_image *image);

/** Gives a reference back; the last one frees. Any thread. NULL is fine. */
void adk__vfs_image_unref(adk__vfs_image *image);

/** Bytes of host memory the image holds, borrowed content not included. Any thread. Never fails. */
uint64_t adk__vfs_image_bytes(const adk__vfs_image *image);

/**
 * Makes a new directory that shows an image; -EEXIST if the name is taken. Costs one inode, whatever the image's size.
 *
 * Ownership: the vfs takes a reference of its own to `image`.
 */
int adk__vfs_mount(adk__vfs_inode *dir, const char *path, size_t path_size, adk__vfs_image *image);

#endif
