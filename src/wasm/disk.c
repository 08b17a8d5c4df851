/*
 * A file is a header, then the code. The MAC is Poly1305 (crypto_onetimeauth(3) of libsodium) under a key of its own,
 * which BLAKE2b derives from the cache's key and the file's salt: so no two files share one, which Poly1305 demands. It
 * covers the name, the header before the MAC, and the code.
 *
 * The file is read once, into memory that is then sealed; what the MAC was computed over is what the engine maps.
 */
#include "wasm/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <adk/version.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/error.h"

#define MAGIC      "adkCode\1"
#define SALT_BYTES 24
#define STEP_BYTES ((size_t)1 << 20) /* between two looks at the interrupt */
#define COPY_BYTES ((size_t)1 << 16) /* what is written, and goes into the MAC, while it is in the core's cache */
#define CODE_MAX   ((uint64_t)2 << 30)
#define FILES_MAX  65536 /* in the directory; beyond them nothing is kept */

struct header {
    char magic[8];
    uint8_t salt[SALT_BYTES];
    uint64_t code_bytes;
    adk__disk_notes notes;
    uint8_t mac[crypto_onetimeauth_BYTES];
};

struct adk__disk {
    int directory;
    uint64_t max_bytes;
    uint8_t key[crypto_generichash_KEYBYTES];
};

/* ---- names -------------------------------------------------------------------------------------------------------- */

bool adk__source_hash(adk_bytes code, adk__interrupt *interrupt, uint8_t ret_hash[ADK__SOURCE_HASH_BYTES])
{
    const uint8_t *data = code.data;
    crypto_generichash_state state;

    (void)crypto_generichash_init(&state, NULL, 0, ADK__SOURCE_HASH_BYTES);
    for (size_t at = 0; at < code.size; at += STEP_BYTES) {
        if (adk__interrupt_check(interrupt) != ADK__INTERRUPT_NONE)
            return false;
        (void)crypto_generichash_update(&state, data + at, code.size - at < STEP_BYTES ? code.size - at : STEP_BYTES);
    }
    (void)crypto_generichash_final(&state, ret_hash, ADK__SOURCE_HASH_BYTES);
    return true;
}

void adk__disk_name_for(const uint8_t hash[ADK__SOURCE_HASH_BYTES], uint64_t configuration, adk__disk_name *ret_name)
{
    uint8_t named[crypto_generichash_BYTES];
    crypto_generichash_state state;
    char versions[256];

    (void)snprintf(versions, sizeof(versions), "adk-sandbox %s, %s, %016llx: ", adk_version_cstr(),
                   adk_engine_version_cstr(), (unsigned long long)configuration);
    (void)crypto_generichash_init(&state, NULL, 0, sizeof(named));
    (void)crypto_generichash_update(&state, (const uint8_t *)versions, strlen(versions));
    (void)crypto_generichash_update(&state, hash, ADK__SOURCE_HASH_BYTES);
    (void)crypto_generichash_final(&state, named, sizeof(named));
    (void)sodium_bin2hex(ret_name->text, sizeof(ret_name->text), named, sizeof(named));
}

bool adk__disk_name_of(adk_bytes code, uint64_t configuration, adk__interrupt *interrupt, adk__disk_name *ret_name)
{
    uint8_t hash[ADK__SOURCE_HASH_BYTES];

    if (!adk__source_hash(code, interrupt, hash))
        return false;
    adk__disk_name_for(hash, configuration, ret_name);
    return true;
}

/* ---- the MAC ------------------------------------------------------------------------------------------------------ */

static void begin_mac(const adk__disk *disk, const adk__disk_name *name, const struct header *header,
                      crypto_onetimeauth_state *state)
{
    uint8_t key[crypto_onetimeauth_KEYBYTES];

    (void)crypto_generichash(key, sizeof(key), header->salt, sizeof(header->salt), disk->key, sizeof(disk->key));
    (void)crypto_onetimeauth_init(state, key);
    sodium_memzero(key, sizeof(key));
    (void)crypto_onetimeauth_update(state, (const uint8_t *)name->text, sizeof(name->text) - 1);
    (void)crypto_onetimeauth_update(state, (const uint8_t *)header, offsetof(struct header, mac));
}

/* ---- getting ------------------------------------------------------------------------------------------------------ */

/* Whether it is this user's, and nobody else can write to it. */
static bool is_private(const struct stat *status)
{
    return status->st_uid == geteuid() && (status->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int open_file(const adk__disk *disk, const adk__disk_name *name, struct header *ret_header)
{
    ADK_AUTO_CLOSE int fd = openat(disk->directory, name->text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || !is_private(&status))
        return -1;
    if (pread(fd, ret_header, sizeof(*ret_header), 0) != (ssize_t)sizeof(*ret_header) ||
        memcmp(ret_header->magic, MAGIC, sizeof(ret_header->magic)) != 0 || ret_header->code_bytes == 0 ||
        ret_header->code_bytes > CODE_MAX || (uint64_t)status.st_size != sizeof(*ret_header) + ret_header->code_bytes)
        return -1;
    return adk__take_fd(&fd);
}

/* Copies `size` bytes of a file from `at` on; others may read it at the same time. What is copied goes into `mac` on the
 * way, where that is not NULL. Returns 0 or an errno value; EINTR where the interrupt said stop. */
static int copy_bytes(int from, off_t at, int to, uint64_t size, crypto_onetimeauth_state *mac,
                      adk__interrupt *interrupt)
{
    ADK_AUTO_FREE uint8_t *buffer = malloc(COPY_BYTES);
    int failed;

    if (buffer == NULL)
        return ENOMEM;
    while (size > 0) {
        ssize_t got = pread(from, buffer, size < COPY_BYTES ? size : COPY_BYTES, at);

        if (interrupt != NULL && adk__interrupt_check(interrupt) != ADK__INTERRUPT_NONE)
            return EINTR;
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 ? EIO : errno;
        if (mac != NULL)
            (void)crypto_onetimeauth_update(mac, buffer, (size_t)got);
        failed = adk__write_all(to, buffer, (size_t)got);
        if (failed)
            return failed;
        size -= (uint64_t)got;
        at += got;
    }
    return 0;
}

bool adk__disk_has(const adk__disk *disk, const adk__disk_name *name)
{
    return faccessat(disk->directory, name->text, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int adk__disk_get(const adk__disk *disk, const adk__disk_name *name, adk__interrupt *interrupt,
                  adk__disk_notes *ret_notes)
{
    crypto_onetimeauth_state state;
    uint8_t mac[crypto_onetimeauth_BYTES];
    struct header header;
    ADK_AUTO_CLOSE int file = open_file(disk, name, &header);
    ADK_AUTO_CLOSE int code = -1;

    if (file < 0)
        return -1;
    code = memfd_create("adk-code", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    begin_mac(disk, name, &header, &state);
    if (code < 0 || copy_bytes(file, (off_t)sizeof(header), code, header.code_bytes, &state, interrupt) != 0 ||
        fcntl(code, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return -1;
    (void)crypto_onetimeauth_final(&state, mac);
    if (sodium_memcmp(mac, header.mac, sizeof(mac)) != 0)
        return -1;
    *ret_notes = header.notes;
    return adk__take_fd(&code);
}

/* ---- putting ------------------------------------------------------------------------------------------------------ */

struct old_file {
    char name[65];
    struct timespec when;
    uint64_t bytes;
};

static int by_age(const void *a, const void *b)
{
    const struct old_file *x = a;
    const struct old_file *y = b;

    if (x->when.tv_sec != y->when.tv_sec)
        return x->when.tv_sec < y->when.tv_sec ? -1 : 1;
    return x->when.tv_nsec < y->when.tv_nsec ? -1 : x->when.tv_nsec > y->when.tv_nsec;
}

/* The directory's files and their size together. Returns 0 or an errno value; the caller frees *ret_files. */
static int list_files(const adk__disk *disk, struct old_file **ret_files, size_t *ret_count, uint64_t *ret_bytes)
{
    int fd = openat(disk->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    struct old_file *files = NULL;
    const struct dirent *entry;
    size_t count = 0;

    *ret_bytes = 0;
    if (directory == NULL)
        return errno;
    while ((entry = readdir(directory)) != NULL && count < FILES_MAX) {
        struct old_file *more;
        struct stat status;

        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= sizeof(files->name) ||
            fstatat(disk->directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
            continue;
        more = reallocarray(files, count + 1, sizeof(*files));
        if (more == NULL)
            break;
        files = more;
        memcpy(files[count].name, entry->d_name, strlen(entry->d_name) + 1);
        files[count].when = status.st_mtim;
        files[count].bytes = (uint64_t)status.st_size;
        *ret_bytes += files[count++].bytes;
    }
    (void)closedir(directory);
    *ret_files = files;
    *ret_count = count;
    return count >= FILES_MAX ? ENOSPC : 0;
}

static int make_room(const adk__disk *disk, uint64_t bytes)
{
    struct old_file *files = NULL;
    size_t count = 0;
    uint64_t used;
    int failed;

    if (bytes > disk->max_bytes)
        return EFBIG;
    failed = list_files(disk, &files, &count, &used);
    if (!failed && used > disk->max_bytes - bytes) {
        qsort(files, count, sizeof(*files), by_age);
        for (size_t i = 0; i < count && used > disk->max_bytes - bytes; i++) {
            if (unlinkat(disk->directory, files[i].name, 0) == 0)
                used -= files[i].bytes;
        }
        if (used > disk->max_bytes - bytes)
            failed = ENOSPC;
    }
    free(files);
    return failed;
}

static int make_header(const adk__disk *disk, const adk__disk_name *name, int code_fd, const adk__disk_notes *notes,
                       struct header *ret_header)
{
    crypto_onetimeauth_state state;
    struct stat status;
    void *code;

    if (fstat(code_fd, &status) != 0)
        return errno;
    if (status.st_size <= 0 || (uint64_t)status.st_size > CODE_MAX)
        return EFBIG;
    memset(ret_header, 0, sizeof(*ret_header));
    memcpy(ret_header->magic, MAGIC, sizeof(ret_header->magic));
    randombytes_buf(ret_header->salt, sizeof(ret_header->salt));
    ret_header->code_bytes = (uint64_t)status.st_size;
    ret_header->notes = *notes;
    code = mmap(NULL, ret_header->code_bytes, PROT_READ, MAP_SHARED, code_fd, 0);
    if (code == MAP_FAILED)
        return errno;
    begin_mac(disk, name, ret_header, &state);
    (void)crypto_onetimeauth_update(&state, code, ret_header->code_bytes);
    (void)crypto_onetimeauth_final(&state, ret_header->mac);
    (void)munmap(code, ret_header->code_bytes);
    return 0;
}

/* Under a name of its own first, so that nobody finds half a file. */
static int write_file(const adk__disk *disk, const adk__disk_name *name, int code_fd, const struct header *header)
{
    char temporary[32];
    uint64_t random;
    int file;
    int failed = 0;

    randombytes_buf(&random, sizeof(random));
    (void)snprintf(temporary, sizeof(temporary), "new-%016llx", (unsigned long long)random);
    file = openat(disk->directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file < 0)
        return errno;
    if (write(file, header, sizeof(*header)) != (ssize_t)sizeof(*header))
        failed = EIO;
    if (!failed)
        failed = copy_bytes(code_fd, 0, file, header->code_bytes, NULL, NULL);
    if (close(file) != 0 && !failed)
        failed = errno;
    if (!failed && renameat(disk->directory, temporary, disk->directory, name->text) != 0)
        failed = errno;
    if (failed)
        (void)unlinkat(disk->directory, temporary, 0);
    return failed;
}

int adk__disk_put(const adk__disk *disk, const adk__disk_name *name, int code_fd, const adk__disk_notes *notes)
{
    struct header header;
    int failed = make_header(disk, name, code_fd, notes, &header);

    if (!failed)
        failed = make_room(disk, sizeof(header) + header.code_bytes);
    return failed ? failed : write_file(disk, name, code_fd, &header);
}

/* ---- opening ------------------------------------------------------------------------------------------------------ */

static int open_directory(const char *path, int *ret_fd, adk_error **ret_error)
{
    ADK_AUTO_CLOSE int fd = -1;
    struct stat status;

    if (mkdir(path, S_IRWXU) != 0 && errno != EEXIST)
        return adk__fail(ret_error, ADK_E_SYSTEM, errno, "make the cache directory %s", path);
    fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0)
        return adk__fail(ret_error, ADK_E_SYSTEM, errno, "open the cache directory %s", path);
    if (!is_private(&status))
        return adk__fail(ret_error, ADK_E_INVALID, 0,
                         "the cache directory %s must belong to this user, and others must not be able to write there "
                         "(mode 0700)",
                         path);
    *ret_fd = adk__take_fd(&fd);
    return ADK_OK;
}

/* Complete before it bears its name: another process may look for it at the same time. */
static int make_key(const char *path, adk_error **ret_error)
{
    ADK_AUTO_FREE char *temporary = NULL;
    uint8_t key[crypto_generichash_KEYBYTES];
    uint64_t random;
    int fd;
    int failed = 0;

    randombytes_buf(key, sizeof(key));
    randombytes_buf(&random, sizeof(random));
    if (asprintf(&temporary, "%s.%016llx", path, (unsigned long long)random) < 0) {
        temporary = NULL;
        return adk__fail_nomem(ret_error);
    }
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return adk__fail(ret_error, ADK_E_SYSTEM, errno, "make the cache's key %s", path);
    if (write(fd, key, sizeof(key)) != (ssize_t)sizeof(key))
        failed = EIO;
    sodium_memzero(key, sizeof(key));
    if (close(fd) != 0 && !failed)
        failed = errno;
    if (!failed && link(temporary, path) != 0 && errno != EEXIST)
        failed = errno;
    (void)unlink(temporary);
    return failed ? adk__fail(ret_error, ADK_E_SYSTEM, failed, "make the cache's key %s", path) : ADK_OK;
}

static int read_key(const char *path, adk__disk *disk, adk_error **ret_error)
{
    ADK_AUTO_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    int code;

    if (fd < 0 && errno == ENOENT) {
        code = make_key(path, ret_error);
        if (code != ADK_OK)
            return code;
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    }
    if (fd < 0 || fstat(fd, &status) != 0)
        return adk__fail(ret_error, ADK_E_SYSTEM, errno, "open the cache's key %s", path);
    if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0,
                         "the cache's key %s must be a file of this user's that nobody else can read (mode 0600)",
                         path);
    if (read(fd, disk->key, sizeof(disk->key)) != (ssize_t)sizeof(disk->key))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the cache's key %s is shorter than %zu bytes: remove it", path,
                         sizeof(disk->key));
    return ADK_OK;
}

void adk__disk_close(adk__disk *disk)
{
    if (disk == NULL)
        return;
    if (disk->directory >= 0)
        (void)close(disk->directory);
    sodium_memzero(disk->key, sizeof(disk->key));
    free(disk);
}
ADK_DEFINE_AUTO(adk__disk, adk__disk_close);

int adk__disk_open(const char *directory, const char *key_path, uint64_t max_bytes, adk__disk **ret_disk,
                   adk_error **ret_error)
{
    ADK_AUTO(adk__disk_close) adk__disk *disk = calloc(1, sizeof(*disk));
    int status;

    if (disk == NULL)
        return adk__fail_nomem(ret_error);
    disk->directory = -1;
    disk->max_bytes = max_bytes;
    status = open_directory(directory, &disk->directory, ret_error);
    if (status == ADK_OK)
        status = read_key(key_path, disk, ret_error);
    if (status == ADK_OK)
        *ret_disk = adk__take_ptr(disk);
    return status;
}
