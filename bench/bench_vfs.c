/*
 * What the vfs costs: one JSON object per line, {"name", "value", "unit"}, the best of several rounds (the machine's
 * noise only ever adds).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vfs/vfs.h"

#define ROUNDS    7
#define FILE_SIZE (UINT64_C(64) << 20)
#define IO_SIZE   65536U

typedef double (*measure)(void);

static double now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Of this thread: for the slowest of many calls, where being interrupted once would spoil it all. */
static double cpu_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void must(int r)
{
    if (r < 0) {
        (void)fprintf(stderr, "bench_vfs: %s\n", strerror(-r));
        exit(1);
    }
}

static adk__vfs *new_vfs(void)
{
    const adk__vfs_options options = {.max_bytes = UINT64_C(1) << 30};
    adk__vfs *vfs = NULL;

    must(adk__vfs_new(&options, &vfs));
    return vfs;
}

static double empty(void)
{
    const int times = 100000;
    double began = now_ns();

    for (int i = 0; i < times; i++)
        adk__vfs_free(new_vfs());
    return (now_ns() - began) / times;
}

static double small_files(void)
{
    static const uint8_t data[4096];
    const int times = 10000;
    adk__vfs *vfs = new_vfs();
    double took;
    double began = now_ns();

    for (int i = 0; i < times; i++) {
        adk__vfs_inode *file;
        char name[32];
        size_t done;
        int size = snprintf(name, sizeof(name), "%d", i);

        must(adk__vfs_open(adk__vfs_root(vfs), name, (size_t)size, ADK__VFS_OPEN_CREATE | ADK__VFS_OPEN_WRITE, &file));
        must(adk__vfs_pwrite(file, data, sizeof(data), 0, &done));
        adk__vfs_drop(file);
    }
    took = (now_ns() - began) / times;
    adk__vfs_free(vfs);
    return took;
}

static double overwrite(void)
{
    static const uint8_t data[4096];
    const int times = 100000;
    adk__vfs *vfs = new_vfs();
    double took;
    double began = now_ns();

    for (int i = 0; i < times; i++) {
        adk__vfs_inode *file;
        size_t done;

        must(adk__vfs_open(adk__vfs_root(vfs), "file", 4, ADK__VFS_OPEN_CREATE | ADK__VFS_OPEN_WRITE, &file));
        must(adk__vfs_pwrite(file, data, sizeof(data), 0, &done));
        adk__vfs_drop(file);
    }
    took = (now_ns() - began) / times;
    adk__vfs_free(vfs);
    return took;
}

static double readdir_1000(void)
{
    const int times = 200;
    adk__vfs *vfs = new_vfs();
    double began;
    double took;

    for (int i = 0; i < 1000; i++) {
        char name[32];
        int size = snprintf(name, sizeof(name), "%d", i);

        must(adk__vfs_mkdir(adk__vfs_root(vfs), name, (size_t)size));
    }
    began = now_ns();
    for (int i = 0; i < times; i++) {
        adk__vfs_dirent e = {0};

        while (adk__vfs_readdir(adk__vfs_root(vfs), e.cookie, &e) == 1) {
        }
    }
    took = (now_ns() - began) / times;
    adk__vfs_free(vfs);
    return took;
}

static double resolve_deep(void)
{
    const int times = 200000;
    adk__vfs *vfs = new_vfs();
    double began;
    double took;

    must(adk__vfs_mkdir_all(adk__vfs_root(vfs), "usr/local/lib/python3.12/json", 29));
    began = now_ns();
    for (int i = 0; i < times; i++) {
        adk__vfs_inode *inode;

        must(adk__vfs_resolve(adk__vfs_root(vfs), "usr/local/lib/python3.12/json", 29, true, &inode));
        adk__vfs_drop(inode);
    }
    took = (now_ns() - began) / times;
    adk__vfs_free(vfs);
    return took;
}

static double image_run(void)
{
    static const char content[1000];
    const int times = 20000;
    adk__vfs *vfs = new_vfs();
    adk__vfs_options options = {0};
    double began;
    double took;

    must(adk__vfs_mkdir_all(adk__vfs_root(vfs), "lib/python", 10));
    for (int i = 0; i < 2000; i++) {
        char name[32];
        int size = snprintf(name, sizeof(name), "lib/python/%d", i);

        must(adk__vfs_add_borrowed(adk__vfs_root(vfs), name, (size_t)size, content, sizeof(content)));
    }
    must(adk__vfs_seal(vfs, &options.image));
    adk__vfs_free(vfs);
    began = now_ns();
    for (int i = 0; i < times; i++) {
        adk__vfs_inode *file;
        char text[1000];
        size_t done;

        must(adk__vfs_new(&options, &vfs));
        must(adk__vfs_open(adk__vfs_root(vfs), "lib/python/1234", 15, 0, &file));
        must(adk__vfs_pread(file, text, sizeof(text), 0, &done));
        adk__vfs_drop(file);
        adk__vfs_free(vfs);
    }
    took = (now_ns() - began) / times;
    adk__vfs_image_unref(options.image);
    return took;
}

static uint8_t *page;

static double sequential(bool measure_read)
{
    adk__vfs *vfs = new_vfs();
    adk__vfs_inode *file;
    double took;
    double began = now_ns();
    size_t done;

    must(adk__vfs_open(adk__vfs_root(vfs), "f", 1, ADK__VFS_OPEN_CREATE, &file));
    for (uint64_t at = 0; at < FILE_SIZE; at += IO_SIZE)
        must(adk__vfs_pwrite(file, page, IO_SIZE, at, &done));
    took = now_ns() - began;
    began = now_ns();
    for (uint64_t at = 0; measure_read && at < FILE_SIZE; at += IO_SIZE)
        must(adk__vfs_pread(file, page, IO_SIZE, at, &done));
    if (measure_read)
        took = now_ns() - began;
    adk__vfs_free(vfs);
    return took;
}

static double sequential_write(void)
{
    return sequential(false);
}

static double sequential_read(void)
{
    return sequential(true);
}

/* Fills the default quota with links to one file; the slowest of the calls, or with `freeing` how long the end takes. */
static double full_directory(bool freeing)
{
    adk__vfs *vfs = NULL;
    adk__vfs_inode *file;
    double slowest = 0;
    double began;
    int r = 0;

    must(adk__vfs_new(NULL, &vfs));
    must(adk__vfs_open(adk__vfs_root(vfs), "f", 1, ADK__VFS_OPEN_CREATE, &file));
    for (int i = 0; r == 0; i++) {
        char name[32];
        int size = snprintf(name, sizeof(name), "%d", i);
        double took;

        began = cpu_ns();
        r = adk__vfs_link(adk__vfs_root(vfs), "f", 1, false, adk__vfs_root(vfs), name, (size_t)size);
        took = cpu_ns() - began;
        slowest = took > slowest ? took : slowest;
    }
    began = cpu_ns();
    adk__vfs_free(vfs);
    return freeing ? cpu_ns() - began : slowest;
}

static double full_directory_slowest(void)
{
    return full_directory(false);
}

static double full_directory_free(void)
{
    return full_directory(true);
}

/* The same for files of one byte each. */
static double small_files_free(void)
{
    adk__vfs *vfs = NULL;
    double began;
    int r = 0;

    must(adk__vfs_new(NULL, &vfs));
    for (int i = 0; r == 0; i++) {
        adk__vfs_inode *file = NULL;
        char name[32];
        size_t done;
        int size = snprintf(name, sizeof(name), "%d", i);

        r = adk__vfs_open(adk__vfs_root(vfs), name, (size_t)size, ADK__VFS_OPEN_CREATE, &file);
        if (r == 0)
            r = adk__vfs_pwrite(file, "x", 1, 0, &done);
        adk__vfs_drop(file);
    }
    began = now_ns();
    adk__vfs_free(vfs);
    return now_ns() - began;
}

/* What memcpy itself takes to fill fresh memory in the same pieces: the bound for writing. */
static double memcpy_fresh(void)
{
    double began = now_ns();
    uint8_t *to = malloc(FILE_SIZE);
    double took;

    if (to == NULL)
        exit(1);
    for (uint64_t at = 0; at < FILE_SIZE; at += IO_SIZE)
        memcpy(to + at, page, IO_SIZE);
    __asm__ volatile("" : : "r"(to) : "memory");
    took = now_ns() - began;
    free(to);
    return took;
}

/* The same over memory that is there: the bound for writing again, and, the other way, for reading. */
static double memcpy_warm(bool measure_read)
{
    uint8_t *block = malloc(FILE_SIZE);
    double began;
    double took;

    if (block == NULL)
        exit(1);
    memset(block, 1, FILE_SIZE);
    began = now_ns();
    for (uint64_t at = 0; at < FILE_SIZE; at += IO_SIZE) {
        memcpy(measure_read ? page : block + at, measure_read ? block + at : page, IO_SIZE);
        __asm__ volatile("" : : "r"(block), "r"(page) : "memory");
    }
    took = now_ns() - began;
    free(block);
    return took;
}

static double memcpy_to_warm(void)
{
    return memcpy_warm(false);
}

static double memcpy_from_warm(void)
{
    return memcpy_warm(true);
}

static void report(const char *name, measure f, const char *unit, double scale)
{
    double best = f();

    for (int i = 1; i < ROUNDS; i++) {
        double again = f();

        best = again < best ? again : best;
    }
    (void)printf("{\"bench\":\"vfs\",\"name\":\"%s\",\"value\":%.3f,\"unit\":\"%s\"}\n", name, best * scale, unit);
}

int main(void)
{
    page = calloc(1, IO_SIZE);
    if (page == NULL)
        return 1;
    memset(page, 1, IO_SIZE);
    report("new_and_free_empty", empty, "ns", 1);
    report("create_write_4k_close", small_files, "ns", 1);
    report("open_overwrite_4k_close", overwrite, "ns", 1);
    report("resolve_5_components", resolve_deep, "ns", 1);
    report("readdir_1000", readdir_1000, "us", 1e-3);
    report("image_2000_files_new_read_1_free", image_run, "ns", 1);
    report("write_64m_sequential", sequential_write, "ms", 1e-6);
    report("read_64m_sequential", sequential_read, "ms", 1e-6);
    report("memcpy_64m_fresh", memcpy_fresh, "ms", 1e-6);
    report("memcpy_64m_to_warm", memcpy_to_warm, "ms", 1e-6);
    report("memcpy_64m_from_warm", memcpy_from_warm, "ms", 1e-6);
    report("full_directory_slowest_link", full_directory_slowest, "ms", 1e-6);
    report("full_directory_free", full_directory_free, "ms", 1e-6);
    report("small_files_full_tree_free", small_files_free, "ms", 1e-6);
    free(page);
    return 0;
}
