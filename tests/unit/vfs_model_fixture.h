/* What the vfs tests share: a tree with a counting budget and a clock that ticks, and shorthands for literal paths. */
#ifndef ADK_TESTS_VFS_MODEL_H
#define ADK_TESTS_VFS_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfs/vfs.h"

#define P(literal) (literal), sizeof(literal) - 1

typedef struct fixture {
    uint64_t used;
    uint64_t limit;
    uint64_t peak;
    uint64_t clock;
    adk__vfs *vfs;
    adk__vfs_inode *root;
    adk__vfs_options options;
} fixture;

static inline bool fixture_charge(void *data, uint64_t bytes)
{
    fixture *f = data;

    if (bytes > f->limit - f->used)
        return false;
    f->used += bytes;
    f->peak = f->used > f->peak ? f->used : f->peak;
    return true;
}

static inline void fixture_release(void *data, uint64_t bytes)
{
    fixture *f = data;

    assert_true(bytes <= f->used);
    f->used -= bytes;
}

static inline uint64_t fixture_clock(void *data)
{
    fixture *f = data;

    return ++f->clock;
}

/** Begins with `options` as the test has set them; budget and clock are the fixture's. */
static inline void fixture_begin(fixture *f)
{
    f->options.charge = fixture_charge;
    f->options.release = fixture_release;
    f->options.budget_data = f;
    f->options.clock_ns = fixture_clock;
    f->options.clock_data = f;
    f->limit = f->limit == 0 ? UINT64_MAX : f->limit;
    f->clock = 1000;
    assert_int_equal(adk__vfs_new(&f->options, &f->vfs), 0);
    f->root = adk__vfs_root(f->vfs);
}

/** Ends; every byte is back. */
static inline void fixture_end(fixture *f)
{
    adk__vfs_free(f->vfs);
    assert_int_equal(f->used, 0);
}

static inline adk__vfs_inode *open_at(adk__vfs_inode *dir, const char *path, uint32_t flags)
{
    adk__vfs_inode *inode = NULL;

    assert_int_equal(adk__vfs_open(dir, path, strlen(path), flags, &inode), 0);
    return inode;
}

static inline void put(adk__vfs_inode *dir, const char *path, const char *text)
{
    adk__vfs_inode *file = open_at(dir, path, ADK__VFS_OPEN_CREATE | ADK__VFS_OPEN_TRUNCATE);
    size_t written = 0;

    assert_int_equal(adk__vfs_pwrite(file, text, strlen(text), 0, &written), 0);
    assert_int_equal(written, strlen(text));
    adk__vfs_drop(file);
}

static inline void expect_text(adk__vfs_inode *dir, const char *path, const char *text)
{
    adk__vfs_inode *file = open_at(dir, path, ADK__VFS_OPEN_FOLLOW);
    char buffer[256];
    size_t size = 0;

    assert_int_equal(adk__vfs_pread(file, buffer, sizeof(buffer), 0, &size), 0);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(buffer, text, size);
    adk__vfs_drop(file);
}

static inline int look(adk__vfs_inode *dir, const char *path, bool follow, adk__vfs_stat *ret_stat)
{
    adk__vfs_inode *inode = NULL;
    int r = adk__vfs_resolve(dir, path, strlen(path), follow, &inode);

    if (r < 0)
        return r;
    adk__vfs_get_stat(inode, ret_stat);
    adk__vfs_drop(inode);
    return 0;
}

static inline int exists(adk__vfs_inode *dir, const char *path)
{
    adk__vfs_stat st;

    return look(dir, path, false, &st);
}

#endif
