/*
 * The run's side of a request: read from the exchange, in place. It comes from the library, and is checked all the same:
 * every size against what is left.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/capture.h"
#include "core/result.h"
#include "worker/exchange.h"
#include "worker/items.h"

struct reader {
    const uint8_t *at;
    uint64_t left;
    bool broken;
};

static bool is_sound(const adk__exchange_layout *l, uint64_t size)
{
    const uint64_t most = (uint64_t)1 << 40;
    uint64_t output = l->output_limit + ADK__CAPTURE_TAIL_BYTES;

    return l->size == size && size <= most && l->output_limit <= ADK_OUTPUT_LIMIT_MAX_BYTES &&
           l->output_at[0] >= ADK__EXCHANGE_HEAD_BYTES && l->output_at[0] <= size && l->output_at[1] <= size &&
           l->output_at[1] >= l->output_at[0] + output && l->parts_at >= l->output_at[1] + output &&
           l->parts_at <= size && l->parts_max <= size - l->parts_at && l->request_at >= l->parts_at + l->parts_max &&
           l->request_at % 8 == 0 && l->request_at <= size && l->request_size <= size - l->request_at;
}

static adk__exchange_head *map(int fd, int how)
{
    adk__exchange_head *head;
    struct stat status;

    if (syscall(SYS_fstat, fd, &status) != 0) /* fstat(3) is a call that takes a path as well: a run has it not */
        return NULL;
    if (status.st_size < (off_t)ADK__EXCHANGE_HEAD_BYTES) {
        errno = EBADMSG;
        return NULL;
    }
    head = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, how, fd, 0);
    if (head == MAP_FAILED)
        return NULL;
    if (is_sound(&head->layout, (uint64_t)status.st_size))
        return head;
    (void)munmap(head, (size_t)status.st_size);
    errno = EBADMSG;
    return NULL;
}

adk__exchange_head *adk__exchange_map(int fd)
{
    return map(fd, MAP_SHARED);
}

adk__exchange_head *adk__exchange_map_image(int fd)
{
    return map(fd, MAP_PRIVATE | MAP_NORESERVE);
}

static const void *take(struct reader *r, uint64_t size)
{
    const void *at = r->at;
    uint64_t padded = (size + 7) & ~UINT64_C(7);

    if (r->broken || size > r->left || padded > r->left) {
        r->broken = true;
        return NULL;
    }
    r->at += padded;
    r->left -= padded;
    return at;
}

static uint64_t take_number(struct reader *r)
{
    const uint64_t *number = take(r, sizeof(*number));

    return number == NULL ? 0 : *number;
}

static adk_bytes take_bytes(struct reader *r)
{
    uint64_t size = take_number(r);
    const void *data = take(r, size);

    return adk_bytes_make(data, data == NULL ? 0 : (size_t)size);
}

/* An item takes eight bytes at least, so what is allocated is in proportion to what is there. */
static void *new_array(struct reader *r, uint64_t count, size_t item_size)
{
    void *items = NULL;

    if (count == 0 || r->broken)
        return NULL;
    if (count <= r->left / 8)
        items = calloc((size_t)count, item_size);
    r->broken = items == NULL;
    return items;
}

static void take_lists(struct reader *r, const adk__exchange_items *items, adk__exchange_request *ret)
{
    adk_bytes *args = new_array(r, items->args_count, sizeof(*args));
    adk_env *env;
    adk_bytes *outputs;

    for (size_t i = 0; args != NULL && i < items->args_count; i++)
        args[i] = take_bytes(r);
    env = new_array(r, items->env_count, sizeof(*env));
    for (size_t i = 0; env != NULL && i < items->env_count; i++) {
        env[i].name = take_bytes(r);
        env[i].value = take_bytes(r);
    }
    outputs = new_array(r, items->outputs_count, sizeof(*outputs));
    for (size_t i = 0; outputs != NULL && i < items->outputs_count; i++)
        outputs[i] = take_bytes(r);
    ret->inputs = new_array(r, items->inputs_count, sizeof(*ret->inputs));
    for (size_t i = 0; ret->inputs != NULL && i < items->inputs_count; i++) {
        ret->inputs[i].kind = (uint32_t)take_number(r);
        ret->inputs[i].path = take_bytes(r);
        ret->inputs[i].content = take_bytes(r);
    }
    ret->request.args = args;
    ret->request.env = env;
    ret->request.outputs = outputs;
}

bool adk__exchange_read_request(const adk__exchange_head *head, adk__exchange_request *ret_request)
{
    const adk__exchange_layout *layout = &head->layout;
    struct reader r = {(const uint8_t *)head + layout->request_at, layout->request_size, false};
    const adk__exchange_items *items = take(&r, sizeof(*items));
    adk_request *request = &ret_request->request;

    if (items == NULL || items->output_limit_bytes != layout->output_limit)
        return false;
    memset(ret_request, 0, sizeof(*ret_request));
    adk_request_init(request);
    ret_request->orders = items->orders;
    ret_request->streams = items->streams;
    request->language = items->language;
    request->output_policy = items->output_policy;
    request->flags = items->flags;
    request->timeout_ns = items->timeout_ns;
    request->memory_limit_bytes = items->memory_limit_bytes;
    request->output_limit_bytes = items->output_limit_bytes;
    request->outputs_limit_bytes = items->outputs_limit_bytes;
    request->fuel = items->fuel;
    request->random_seed = items->random_seed;
    request->clock_start_ns = items->clock_start_ns;
    request->args_count = items->args_count;
    request->env_count = items->env_count;
    request->outputs_count = items->outputs_count;
    ret_request->inputs_count = items->inputs_count;
    request->code = take_bytes(&r);
    request->stdin_data = take_bytes(&r);
    take_lists(&r, items, ret_request);
    return !r.broken;
}

/* ---- files --------------------------------------------------------------------------------------------------------- */

static int make_parents(adk__vfs_inode *root, adk_bytes path)
{
    const char *slash = path.size == 0 ? NULL : memrchr(path.data, '/', path.size);

    return slash == NULL ? 0 : adk__vfs_mkdir_all(root, path.data, (size_t)(slash - (const char *)path.data));
}

static int load_copy(adk__vfs_inode *root, const adk__exchange_input *input)
{
    const uint32_t flags = ADK__VFS_OPEN_CREATE | ADK__VFS_OPEN_EXCLUSIVE | ADK__VFS_OPEN_WRITE;
    adk__vfs_inode *inode;
    size_t written = 0;
    int failed = adk__vfs_open(root, input->path.data, input->path.size, flags, &inode);

    if (failed)
        return failed;
    if (input->content.size > 0)
        failed = adk__vfs_pwrite(inode, input->content.data, input->content.size, 0, &written);
    adk__vfs_drop(inode);
    return !failed && written < input->content.size ? -ENOSPC : failed;
}

static int load(adk__vfs_inode *root, const adk__exchange_input *input)
{
    const char *path = input->path.data;
    int failed = make_parents(root, input->path);

    if (failed)
        return failed;
    switch (input->kind) {
    case ADK__EXCHANGE_BORROWED:
        return adk__vfs_add_borrowed(root, path, input->path.size, input->content.data, input->content.size);
    case ADK__EXCHANGE_COPIED:
        return load_copy(root, input);
    case ADK__EXCHANGE_DIRECTORY:
        return adk__vfs_mkdir_all(root, path, input->path.size);
    case ADK__EXCHANGE_LINK:
        return adk__vfs_symlink(input->content.data, input->content.size, true, root, path, input->path.size);
    default:
        return -EINVAL;
    }
}

int adk__exchange_load(const adk__exchange_request *request, adk__vfs *vfs, size_t *ret_at)
{
    int failed = 0;

    for (size_t i = 0; i < request->inputs_count && !failed; i++) {
        *ret_at = i;
        if (request->inputs[i].kind != ADK__EXCHANGE_PREOPEN)
            failed = load(adk__vfs_root(vfs), &request->inputs[i]);
    }
    adk__vfs_mark(vfs);
    return failed;
}

void adk__exchange_lend(adk__exchange_head *head, adk_result *result)
{
    for (int i = 0; i < 2; i++) {
        uint8_t *at = (uint8_t *)head + head->layout.output_at[i];

        adk__capture_lend(&result->output[i], at, at + head->layout.output_limit, &head->written[i]);
    }
}
