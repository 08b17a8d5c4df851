/*
 * Making the file of a run: the request, written item by item, each preceded by its size and padded to eight bytes.
 *
 * The request lies at the end, so that its size need not be known before it is written.
 */
#include "worker/exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/capture.h"
#include "base/cleanup.h"
#include "core/error.h"
#include "core/request.h"
#include "worker/items.h"

#define PAGE         ((uint64_t)4096)
#define PARTS_BYTES  ((uint64_t)512 << 10) /* messages, backtrace */
#define NAMES_BYTES  ((uint64_t)32 << 20)  /* of files that come back */
#define STAGED_BYTES ((size_t)16 << 10)

struct writer {
    int fd;
    uint64_t at; /* of the file: where `staged` goes */
    size_t staged;
    int failed; /* an errno value */
    uint8_t stage[STAGED_BYTES];
};

/* ---- writing ------------------------------------------------------------------------------------------------------- */

static void write_through(struct writer *w, const void *data, size_t size)
{
    const uint8_t *from = data;

    while (size > 0 && !w->failed) {
        ssize_t written = pwrite(w->fd, from, size, (off_t)w->at);

        if (written < 0 && errno != EINTR)
            w->failed = errno;
        if (written > 0) {
            from += written;
            size -= (size_t)written;
            w->at += (uint64_t)written;
        }
    }
}

static void flush(struct writer *w)
{
    size_t size = w->staged;

    w->staged = 0;
    write_through(w, w->stage, size);
}

static void put(struct writer *w, const void *data, size_t size)
{
    if (size > STAGED_BYTES - w->staged)
        flush(w);
    if (size > STAGED_BYTES) {
        write_through(w, data, size);
        return;
    }
    if (size > 0)
        memcpy(w->stage + w->staged, data, size);
    w->staged += size;
}

static void put_bytes(struct writer *w, adk_bytes bytes)
{
    static const uint8_t zeros[8];
    uint64_t size = bytes.size;

    put(w, &size, sizeof(size));
    put(w, bytes.data, bytes.size);
    put(w, zeros, (8 - bytes.size % 8) % 8);
}

static void put_input(struct writer *w, uint32_t kind, adk_bytes path, adk_bytes content)
{
    const uint64_t wide = kind;

    put(w, &wide, sizeof(wide));
    put_bytes(w, path);
    put_bytes(w, content);
}

/* ---- files of the host's ------------------------------------------------------------------------------------------- */

struct harvest {
    struct writer *writer;
    adk__vfs_inode *root;
    uint64_t left_bytes; /* of the run's memory: more would be refused there */
    uint64_t count;
    adk__interrupt *interrupt;
    adk__inputs_stop stop;
};

static bool charge(void *data, uint64_t bytes)
{
    struct harvest *h = data;

    if (bytes > h->left_bytes)
        return false;
    h->left_bytes -= bytes;
    return true;
}

static void release(void *data, uint64_t bytes)
{
    ((struct harvest *)data)->left_bytes += bytes;
}

/* The content goes out in pieces after its size; it cannot change, since nobody else has the tree. */
static void put_content(struct harvest *h, adk__vfs_inode *inode, uint64_t size)
{
    static const uint8_t zeros[8];
    uint8_t piece[4096];
    size_t got;

    put(h->writer, &size, sizeof(size));
    for (uint64_t at = 0; at < size; at += got) {
        size_t wanted = (size_t)(size - at < sizeof(piece) ? size - at : sizeof(piece));

        if (adk__vfs_pread(inode, piece, wanted, at, &got) != 0 || got == 0) {
            h->writer->failed = EIO;
            return;
        }
        put(h->writer, piece, got);
    }
    put(h->writer, zeros, (8 - size % 8) % 8);
}

static int put_entry(void *data, const char *path, size_t path_size, adk__vfs_inode *inode)
{
    struct harvest *h = data;
    adk_bytes name = adk_bytes_make(path, path_size);
    char target[ADK__VFS_PATH_MAX];
    adk__vfs_stat info;
    uint64_t kind = ADK__EXCHANGE_COPIED;
    size_t size = 0;

    adk__vfs_get_stat(inode, &info);
    h->count++;
    if (info.type == ADK__VFS_TYPE_DIRECTORY) {
        put_input(h->writer, ADK__EXCHANGE_DIRECTORY, name, adk_bytes_make(NULL, 0));
    } else if (info.type == ADK__VFS_TYPE_SYMLINK) {
        if (adk__vfs_readlink(h->root, path, path_size, target, sizeof(target), &size) != 0)
            return EIO;
        put_input(h->writer, ADK__EXCHANGE_LINK, name, adk_bytes_make(target, size));
    } else {
        put(h->writer, &kind, sizeof(kind));
        put_bytes(h->writer, name);
        put_content(h, inode, info.size);
    }
    return h->writer->failed || adk__interrupt_check(h->interrupt) != ADK__INTERRUPT_NONE;
}

/* What a name of the host's stands for, by way of a tree of its own. */
static int harvest(struct harvest *h, const adk_file *file, adk_error **ret_error)
{
    const adk_request one = {.files = file, .files_count = 1};
    const adk__vfs_options options = {.charge = charge, .release = release, .budget_data = h};
    adk__vfs *vfs = NULL;
    int failed = adk__vfs_new(&options, &vfs);
    int status;

    if (failed == -ENOSPC) {
        h->stop = ADK__INPUTS_MEMORY;
        return ADK_OK;
    }
    if (failed)
        return adk__fail_nomem(ret_error);
    status = adk__inputs_load(&one, vfs, h->interrupt, &h->stop, ret_error);
    if (status == ADK_OK && h->stop == ADK__INPUTS_DONE) {
        adk__vfs_lift_limits(vfs);
        h->root = adk__vfs_root(vfs);
        failed = adk__vfs_walk(h->root, false, put_entry, h, NULL);
        if (failed == -ENOMEM)
            status = adk__fail_nomem(ret_error);
        else if (adk__interrupt_check(h->interrupt) != ADK__INTERRUPT_NONE)
            h->stop = ADK__INPUTS_INTERRUPTED;
        else if (failed)
            h->writer->failed = h->writer->failed ? h->writer->failed : EIO;
    }
    adk__vfs_free(vfs);
    return status;
}

static int put_files(struct writer *w, const adk_request *request, adk__interrupt *interrupt, uint64_t *ret_count,
                     adk__exchange_orders *orders, adk_error **ret_error)
{
    struct harvest h = {.writer = w, .left_bytes = request->memory_limit_bytes, .interrupt = interrupt};
    int status = ADK_OK;

    for (size_t i = 0; i < request->files_count && status == ADK_OK && h.stop == ADK__INPUTS_DONE; i++) {
        const adk_file *file = &request->files[i];

        if (file->host_path_cstr == NULL) {
            put_input(w, ADK__EXCHANGE_BORROWED, adk__request_path(file->path), file->content);
            h.count++;
        } else {
            status = harvest(&h, file, ret_error);
        }
        if (*(const char *)file->path.data != '/') {
            put_input(w, ADK__EXCHANGE_PREOPEN, file->path, adk_bytes_make(NULL, 0));
            h.count++;
        }
    }
    *ret_count = h.count;
    orders->inputs_stop = h.stop;
    return status;
}

/* ---- the request --------------------------------------------------------------------------------------------------- */

static void put_items(struct writer *w, const adk_request *request)
{
    put_bytes(w, request->code);
    put_bytes(w, request->stdin_data);
    for (size_t i = 0; i < request->args_count; i++)
        put_bytes(w, request->args[i]);
    for (size_t i = 0; i < request->env_count; i++) {
        put_bytes(w, request->env[i].name);
        put_bytes(w, request->env[i].value);
    }
    for (size_t i = 0; i < request->outputs_count; i++)
        put_bytes(w, request->outputs[i]);
}

static void describe(const adk_request *request, adk__exchange_items *items)
{
    items->memory_limit_bytes = request->memory_limit_bytes;
    items->output_limit_bytes = request->output_limit_bytes;
    items->outputs_limit_bytes = request->outputs_limit_bytes;
    items->timeout_ns = request->timeout_ns;
    items->fuel = request->fuel;
    items->random_seed = request->random_seed;
    items->clock_start_ns = request->clock_start_ns;
    items->args_count = request->args_count;
    items->env_count = request->env_count;
    items->outputs_count = request->outputs_count;
    items->language = request->language;
    items->output_policy = request->output_policy;
    items->flags = request->flags;
    items->streams = (request->on_stdout != NULL ? 1u : 0u) | (request->on_stderr != NULL ? 2u : 0u);
}

static int write_request(struct writer *w, const adk_request *request, adk__exchange_orders *orders,
                         adk__interrupt *interrupt, adk_error **ret_error)
{
    adk__exchange_items items = {.streams = 0};
    uint64_t at = w->at;
    int status;

    describe(request, &items);
    put(w, &items, sizeof(items));
    put_items(w, request);
    status = put_files(w, request, interrupt, &items.inputs_count, orders, ret_error);
    if (status != ADK_OK)
        return status;
    flush(w);
    items.orders = *orders;
    if (!w->failed && pwrite(w->fd, &items, sizeof(items), (off_t)at) != (ssize_t)sizeof(items))
        w->failed = EIO;
    return ADK_OK;
}

/* ---- the file ------------------------------------------------------------------------------------------------------ */

static uint64_t whole_pages(uint64_t size)
{
    return (size + PAGE - 1) & ~(PAGE - 1);
}

/* Nothing overflows: each of the limits is far below 2^60. */
static void lay_out(const adk_request *request, adk__exchange_layout *layout)
{
    uint64_t output = whole_pages(request->output_limit_bytes + ADK__CAPTURE_TAIL_BYTES);

    *layout = (adk__exchange_layout){.output_limit = request->output_limit_bytes};
    layout->output_at[0] = ADK__EXCHANGE_HEAD_BYTES;
    layout->output_at[1] = layout->output_at[0] + output;
    layout->parts_at = layout->output_at[1] + output;
    layout->parts_max = PARTS_BYTES;
    if (request->outputs_count > 0)
        layout->parts_max +=
            whole_pages(ADK_FILES_MAX * sizeof(adk__exchange_file) + NAMES_BYTES + request->outputs_limit_bytes);
    layout->request_at = layout->parts_at + layout->parts_max;
}

/* A file beyond the host's own limit would bring it a signal. */
static int check_limit(uint64_t size)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size ? EFBIG : 0;
}

static int finish(struct writer *w, adk__exchange_layout *layout)
{
    adk__exchange_head head = {.waits = 0};

    if (w->failed)
        return w->failed;
    layout->request_size = w->at - layout->request_at;
    layout->size = whole_pages(w->at);
    head.layout = *layout;
    if (ftruncate(w->fd, (off_t)layout->size) != 0 || pwrite(w->fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        fcntl(w->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return errno;
    return 0;
}

int adk__exchange_make(const adk_request *request, adk__exchange_orders *orders, adk__interrupt *interrupt,
                       adk__exchange_layout *ret_layout, int *ret_fd, adk_error **ret_error)
{
    ADK_AUTO_CLOSE int fd = -1;
    struct writer w;
    int failed;
    int status;

    lay_out(request, ret_layout);
    failed = check_limit(ret_layout->request_at);
    if (!failed) {
        fd = memfd_create("adk-run", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        failed = fd < 0 ? errno : 0;
    }
    if (failed)
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "make the file that a run shares");
    w.fd = fd;
    w.at = ret_layout->request_at;
    w.staged = 0;
    w.failed = 0;
    status = write_request(&w, request, orders, interrupt, ret_error);
    if (status != ADK_OK)
        return status;
    failed = finish(&w, ret_layout);
    if (failed)
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "write the file that a run shares");
    *ret_fd = adk__take_fd(&fd);
    return ADK_OK;
}
