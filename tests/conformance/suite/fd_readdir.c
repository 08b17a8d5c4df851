/* fd_readdir: what is listed, cookies, and buffers that are too small. */
#include "check.h"

#define ENTRY sizeof(__wasi_dirent_t)

struct entry {
    __wasi_dirent_t head;
    char name[64];
};

/* Reads the whole directory with buffers of this size, and returns how many entries there are. */
static int list(__wasi_fd_t dir, __wasi_size_t size, struct entry *entries, int max)
{
    static uint8_t buffer[4096];
    __wasi_dircookie_t cookie = 0;
    int count = 0;

    for (;;) {
        __wasi_size_t used = 0, at = 0;

        OK(__wasi_fd_readdir(dir, buffer, size, cookie, &used));
        CHECK(used <= size);
        while (used - at >= ENTRY) {
            __wasi_dirent_t head;

            memcpy(&head, buffer + at, ENTRY);
            if (used - at < ENTRY + head.d_namlen)
                break;
            CHECK(count < max && head.d_namlen < 64);
            entries[count].head = head;
            memcpy(entries[count].name, buffer + at + ENTRY, head.d_namlen);
            entries[count++].name[head.d_namlen] = '\0';
            at += ENTRY + head.d_namlen;
            cookie = head.d_next;
        }
        if (used < size)
            return count;
        CHECK(at > 0); /* the buffers here hold an entry at least: it must go on */
    }
}

static const struct entry *find(const struct entry *entries, int count, const char *name)
{
    const struct entry *found = NULL;

    for (int i = 0; i < count; i++)
        if (strcmp(entries[i].name, name) == 0) {
            CHECK(found == NULL);
            found = &entries[i];
        }
    return found;
}

int main(void)
{
    static struct entry entries[64];
    uint8_t buffer[256];
    __wasi_fd_t dir = make_dir(ROOT, "d"), file = 0;
    __wasi_filestat_t status;
    __wasi_size_t used = 0;
    int count = list(dir, 4096, entries, 64);

    CHECK(count == 2);
    CHECK(find(entries, 2, ".") != NULL && find(entries, 2, "..") != NULL);
    CHECK(find(entries, 2, ".")->head.d_type == __WASI_FILETYPE_DIRECTORY);
    OK(__wasi_fd_filestat_get(dir, &status));
    CHECK(find(entries, 2, ".")->head.d_ino == status.ino);

    file = make_file(dir, "file", "x");
    OK(__wasi_path_create_directory(dir, "sub"));
    OK(__wasi_path_symlink("nowhere", dir, "link"));
    count = list(dir, 4096, entries, 64);
    CHECK(count == 5);
    CHECK(find(entries, count, "file")->head.d_type == __WASI_FILETYPE_REGULAR_FILE);
    CHECK(find(entries, count, "sub")->head.d_type == __WASI_FILETYPE_DIRECTORY);
    CHECK(find(entries, count, "link")->head.d_type == __WASI_FILETYPE_SYMBOLIC_LINK);
    OK(__wasi_fd_filestat_get(file, &status));
    CHECK(find(entries, count, "file")->head.d_ino == status.ino);

    /* Buffers that hold only some entries: each comes once, whatever the size. */
    for (__wasi_size_t size = ENTRY + 8; size < 200; size += 7) {
        count = list(dir, size, entries, 64);
        CHECK(count == 5);
        CHECK(find(entries, count, "file") != NULL && find(entries, count, "sub") != NULL);
    }
    /* A buffer too small for one entry is filled with the beginning of it. */
    OK(__wasi_fd_readdir(dir, buffer, 5, 0, &used));
    CHECK(used == 5);
    OK(__wasi_fd_readdir(dir, buffer, 0, 0, &used));
    CHECK(used == 0);

    /* What is removed while one reads is gone, the rest comes once. */
    OK(__wasi_fd_readdir(dir, buffer, sizeof(buffer), 0, &used));
    OK(__wasi_path_unlink_file(dir, "file"));
    count = list(dir, 4096, entries, 64);
    CHECK(count == 4 && find(entries, count, "file") == NULL);

    for (int i = 0; i < 40; i++) {
        char name[16];

        snprintf(name, sizeof(name), "many-%d", i);
        OK(__wasi_fd_close(make_file(dir, name, "")));
    }
    CHECK(list(dir, 100, entries, 64) == 44);
    FAILS2(__wasi_fd_readdir(file, buffer, sizeof(buffer), 0, &used), NOTDIR, BADF);
    FAILS(__wasi_fd_readdir(77, buffer, sizeof(buffer), 0, &used), BADF);
    FAILS(__wasi_fd_readdir(dir, (uint8_t *)0x7FFFFF00, 4096, 0, &used), FAULT);
    return 0;
}
