/*
 * Files of the disk cache: what stands in the directory is taken only if it is what was put there, byte for byte.
 *
 * The first byte says how the rest is used: as the whole file, or as changes to a genuine one (two bytes of offset, one to
 * xor, again and again; the last may cut the file).
 */
#include <fcntl.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "wasm/disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_MAX 4096

static char root[] = "/tmp/adk-fuzz-disk-XXXXXX";
static char path[160];
static adk__disk *disk;
static adk__interrupt interrupt;
static adk__disk_name name;
static uint8_t genuine[FILE_MAX];
static size_t genuine_size;

static void clean_up(void)
{
    char below[64];

    (void)unlink(path);
    (void)snprintf(below, sizeof(below), "%s/modules", root);
    (void)rmdir(below);
    (void)snprintf(below, sizeof(below), "%s/key", root);
    (void)unlink(below);
    (void)rmdir(root);
}

static int write_file(const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int failed;

    if (fd < 0)
        abort();
    failed = adk__write_all(fd, data, size);
    (void)close(fd);
    return failed;
}

static void set_up(void)
{
    static const char code[1000] = "code";
    const adk__disk_notes notes = {{1, 2, 3, 4}};
    char directory[64];
    char key[64];
    int fd;

    if (sodium_init() < 0 || mkdtemp(root) == NULL || adk__interrupt_init(&interrupt) != 0)
        abort();
    (void)atexit(clean_up);
    adk__interrupt_begin(&interrupt, ADK__NEVER);
    (void)snprintf(directory, sizeof(directory), "%s/modules", root);
    (void)snprintf(key, sizeof(key), "%s/key", root);
    if (adk__disk_open(directory, key, 1 << 20, &disk, NULL) != ADK_OK ||
        !adk__disk_name_of(adk_bytes_make("x", 1), 1, &interrupt, &name))
        abort();
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name.text);
    fd = memfd_create("code", MFD_CLOEXEC);
    if (fd < 0 || adk__write_all(fd, code, sizeof(code)) != 0 || adk__disk_put(disk, &name, fd, &notes) != 0)
        abort();
    (void)close(fd);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    genuine_size = (size_t)read(fd, genuine, sizeof(genuine));
    (void)close(fd);
}

static size_t change(uint8_t file[FILE_MAX], const uint8_t *data, size_t size)
{
    size_t length = genuine_size;

    memcpy(file, genuine, genuine_size);
    for (; size >= 3; data += 3, size -= 3)
        file[(data[0] | (size_t)data[1] << 8) % genuine_size] ^= data[2];
    if (size == 2)
        length = (data[0] | (size_t)data[1] << 8) % (genuine_size + 1);
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t file[FILE_MAX];
    adk__disk_notes notes;
    size_t length;
    bool is_genuine;
    int fd;

    if (disk == NULL)
        set_up();
    if (size < 1 || size > FILE_MAX)
        return 0;
    if ((data[0] & 1) != 0) {
        length = change(file, data + 1, size - 1);
    } else {
        length = size - 1;
        memcpy(file, data + 1, length);
    }
    if (write_file(file, length) != 0)
        abort();
    is_genuine = length == genuine_size && memcmp(file, genuine, length) == 0;
    fd = adk__disk_get(disk, &name, &interrupt, &notes);
    if ((fd >= 0) != is_genuine)
        abort();
    if (fd >= 0)
        (void)close(fd);
    return 0;
}
