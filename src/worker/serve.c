/*
 * Getting ready. Walls go up before a byte is read, but for the filter, which follows when the engine is made: that takes
 * more of the system than forking does.
 *
 * An image's warm-up is a run like any other, of a module that was installed rather than sent; only that its tree's content
 * is mapped privately, so that no fork can change it for another. Its checkpoint is a function that the guest calls in the
 * middle of its life: the worker serves there, and never returns to the guest; its children do.
 *
 * Until it is ready the library's death is learned from a signal (worker/compile.c does the same), afterwards from the
 * channel.
 */
#include "worker/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <adk/worker.h>

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "core/error.h"
#include "core/result.h"
#include "wasm/files.h"
#include "wasm/live.h"
#include "wasm/stack.h"
#include "worker/calls.h"
#include "worker/child.h"
#include "worker/exchange.h"
#include "worker/forks.h"
#include "worker/image.h"
#include "worker/pages.h"
#include "worker/pins.h"
#include "worker/protocol.h"
#include "worker/share.h"
#include "worker/walls.h"

#define SEATS_MAX 4096

static struct {
    int channel;
    uint32_t walls;
    bool is_image;
    adk__worker_orders orders;
    int fds[ADK__WORKER_IMAGE_FDS];
    adk_wasm_options options;
    adk__engines engines;
    adk__shard *shard;
    adk__run *run;
    adk__exchange_head *image_head;
    adk__exchange_request image;
    bool is_child; /* this process is a fork, and a run */
} worker;

/* ---- answers ------------------------------------------------------------------------------------------------------- */

static void answer(bool is_ready, const char *text, size_t size)
{
    struct {
        adk__worker_ready ready;
        char text[ADK__WORKER_MESSAGE_MAX];
    } message = {.ready = {.magic = ADK__WORKER_MAGIC, .protocol = ADK__WORKER_PROTOCOL, .is_ready = is_ready}};

    if (size > sizeof(message.text))
        size = sizeof(message.text);
    message.ready.walls = worker.walls;
    message.ready.message_bytes = size;
    if (worker.shard != NULL)
        message.ready.compatibility = adk_engine_compatibility(worker.shard->engine);
    if (size > 0)
        memcpy(message.text, text, size);
    (void)fcntl(worker.channel, F_SETFL, 0); /* no signal for what comes next */
    (void)adk__channel_send(worker.channel, &message, sizeof(message.ready) + size, NULL, 0);
}

static int cannot(const char *what, int failed)
{
    char text[256];
    int size = snprintf(text, sizeof(text), "%s%s%s", what, failed ? ": " : "", failed ? strerrordesc_np(failed) : "");

    answer(false, text, size < 0 ? 0 : strnlen(text, sizeof(text)));
    return EXIT_FAILURE;
}

static int cannot_because(const adk_error *error)
{
    const char *text = adk_error_message_cstr(error);

    answer(false, text, strlen(text));
    return EXIT_FAILURE;
}

/* ---- getting ready ------------------------------------------------------------------------------------------------- */

static void on_hang_up(int signal)
{
    (void)signal;
    _exit(EXIT_FAILURE);
}

/* With a handler: the first process of a namespace ignores what it has none for. */
static int watch_library(void)
{
    struct pollfd gone = {worker.channel, POLLRDHUP, 0};
    struct sigaction action = {.sa_handler = on_hang_up};

    if (sigaction(SIGIO, &action, NULL) != 0 || fcntl(worker.channel, F_SETOWN, getpid()) != 0 ||
        fcntl(worker.channel, F_SETFL, O_ASYNC) != 0)
        return errno;
    return poll(&gone, 1, 0) != 0 ? EPIPE : 0;
}

/* NULL, or why the orders cannot be taken. */
static const char *take_orders(void)
{
    size_t size = 0;
    size_t fds = worker.is_image ? ADK__WORKER_IMAGE_FDS : 0;

    if (adk__channel_receive(worker.channel, 0, &worker.orders, sizeof(worker.orders), &size, worker.fds, fds) != 0)
        return "there are no orders";
    return adk__worker_orders_problem(&worker.orders, size);
}

static void widen_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max < SEATS_MAX ? limit.rlim_max : SEATS_MAX;
    limit.rlim_max = limit.rlim_cur;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* What an installed runtime would ask its host for: there is nobody. */
static int refuse_call(void *data, adk_wasm_caller *caller, const adk_wasm_value *args, adk_wasm_value *results)
{
    (void)data;
    (void)caller;
    (void)args;
    results[0].i32 = -1;
    return 0;
}

static const adk_wasm_host_function functions_of_installed[] = {{"host", "call", "iiii", "i", refuse_call, NULL}};

/* A runtime's module may be larger than an ordinary one may. */
static int make_engine(adk_error **ret_error)
{
    uint32_t shard;

    worker.options = (adk_wasm_options)ADK_WASM_OPTIONS_INIT;
    worker.options.slots = 1;
    worker.options.entry_cstr = worker.orders.entry;
    worker.options.stack_bytes = worker.orders.stack_bytes;
    if ((worker.orders.flavour & ADK__FLAVOUR_INSTALLED) != 0) {
        worker.options.host_functions = functions_of_installed;
        worker.options.host_functions_count = ADK_COUNT(functions_of_installed);
    }
    if (adk__engines_init(&worker.engines, &worker.options, ret_error) != ADK_OK)
        return adk_error_code(*ret_error);
    if (worker.engines.is_narrow != ((worker.orders.flags & ADK__WORKER_NARROW) != 0))
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "its address space is not as the library's");
    shard = worker.is_image ? adk__engines_spare(&worker.engines) : ADK__CHILD_SHARD;
    return adk__engines_shard(&worker.engines, worker.orders.flavour, shard, &worker.shard, ret_error);
}

static int get_ready(void)
{
    adk_error *error = NULL;
    const char *problem;
    int failed;

    (void)adk__stack_has(ADK__RUN_STACK_BYTES); /* looks into /proc, once, while it is there */
    worker.walls = adk__walls_enter(worker.channel);
    widen_descriptors();
    failed = adk__walls_drop();
    if (failed)
        return cannot("privileges cannot be dropped", failed);
    worker.walls |= ADK_WALL_NO_NEW_PRIVILEGES;
    problem = take_orders();
    if (problem != NULL)
        return cannot(problem, 0);
    failed = watch_library();
    if (failed)
        return cannot("the library's death could not be noticed", failed);
    if (!adk__stack_has((size_t)worker.orders.stack_bytes + ADK__HOST_STACK_BYTES))
        return cannot("its stack is too short for a guest", 0);
    if (make_engine(&error) != ADK_OK)
        return cannot_because(error);
    failed = adk__forks_begin();
    if (!failed)
        failed = adk__walls_seal();
    if (failed)
        return cannot("the system call filter cannot be set", failed);
    worker.walls |= ADK_WALL_SYSTEM_CALLS | ADK_WALL_LIMITS;
    return EXIT_SUCCESS;
}

/* ---- ordinary modules ---------------------------------------------------------------------------------------------- */

int adk__worker_serve(int channel)
{
    int failed;

    worker.channel = channel;
    failed = get_ready();
    if (failed)
        return failed;
    worker.walls |= adk__walls_measure();
    answer(true, NULL, 0);
    adk__child_run(adk__forks_serve(channel, NULL), &worker.engines, worker.orders.flavour);
}

/* ---- images -------------------------------------------------------------------------------------------------------- */

/* In the guest's call, when the driver is where it wanted to be. */
static bool at_checkpoint(void *data)
{
    const adk__wasi_memory *memory = &adk__wasi_call_of(worker.run->wasi)->memory;
    adk__run *run = data;
    adk__vfs *vfs = adk__wasi_files_made(run->wasi);
    bool is_session;
    int channel;
    int failed;

    failed = vfs == NULL ? 0 : adk__pins_set(vfs, memory->data, memory->size);
    if (failed)
        _exit(cannot("what the driver pins", -failed));
    adk__share_huge(memory->data, memory->size, PROT_READ | PROT_WRITE);
    adk__share_program();
    if (adk__pages_rehearse(memory->data, memory->size)) {
        worker.is_child = true;
        return adk__child_rehearse(worker.image_head, &worker.image, run, worker.shard);
    }
    worker.walls |= adk__walls_measure();
    answer(true, NULL, 0);
    channel = adk__forks_serve(worker.channel, &is_session);
    worker.is_child = true;
    adk__pages_touch();
    return is_session ? adk__calls_begin(channel, run, worker.shard) : adk__child_resume(channel, run, worker.shard);
}

static int put_tree(const adk__exchange_request *image, adk_error **ret_error)
{
    adk__vfs *vfs = NULL;
    size_t at = 0;
    int status = adk__files_tree(worker.run, &vfs, ret_error);
    int failed;

    if (status != ADK_OK || vfs == NULL)
        return status;
    failed = adk__exchange_load(image, vfs, &at);
    if (failed)
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, -failed, "file %zu of the image", at);
    for (size_t i = 0; i < image->inputs_count && status == ADK_OK; i++) {
        if (image->inputs[i].kind == ADK__EXCHANGE_PREOPEN)
            status = adk__files_preopen(worker.run, vfs, image->inputs[i].path, ret_error);
    }
    return status;
}

/* It ended where it should have stopped. What it said about that is worth more than how it ended. */
static int cannot_warm(const adk_result *result)
{
    adk__buf text = ADK__BUF_INIT((size_t)ADK__WORKER_MESSAGE_MAX);
    const adk__buf *heard = &result->output[1].head;

    (void)adk__buf_printf(&text, "the image ended before its checkpoint (%s", adk_outcome_cstr(result->outcome));
    if (result->outcome == ADK_OUTCOME_EXITED)
        (void)adk__buf_printf(&text, " %u", result->code);
    (void)adk__buf_printf(&text, ") %.*s ", (int)result->message.size, (const char *)result->message.data);
    (void)adk__text_append_escaped(&text, heard->data, heard->size, 1024);
    answer(false, (const char *)text.data, text.size);
    return EXIT_FAILURE;
}

/* Nobody runs there yet. */
static void share_code(const adk__module *module)
{
    const wasmtime_module_t *compiled = module->shards[worker.shard->index].module;
    size_t size = 0;
    const uint8_t *text = adk_engine_text(compiled, &size);
    void *begin;
    void *end;

    wasmtime_module_image_range(compiled, &begin, &end);
    adk__share_huge(text, size, PROT_READ | PROT_EXEC);
    adk__share_mapped(text + size, (size_t)((const uint8_t *)end - (text + size)), PROT_READ);
}

static int warm(const adk__exchange_request *image, adk_error **ret_error)
{
    const adk_engine_split split = {worker.orders.code_shift, worker.orders.first_helper, worker.orders.is_exact != 0};
    const wasmtime_instance_pre_t *pre = NULL;
    adk__refusal refusal = ADK__REFUSAL_INIT;
    adk__module *module = NULL;
    adk_result *result = NULL;
    adk__wasi_setup *setup;
    int status = adk__module_load(&worker.engines, worker.orders.flavour, worker.shard->index,
                                  worker.fds[ADK__WORKER_IMAGE_CODE], &split, &refusal, &module, ret_error);

    if (status == ADK_OK && module == NULL)
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "%.*s", (int)refusal.message.size,
                         (const char *)refusal.message.data);
    if (status == ADK_OK)
        status = adk__module_in_shard(module, worker.shard, &pre, ret_error);
    if (status == ADK_OK)
        share_code(module);
    if (status == ADK_OK)
        status = adk_result_new(&image->request, &result, ret_error);
    if (status == ADK_OK)
        status = adk__run_begin(&image->request, NULL, adk__now_ns(), result, &worker.run, ret_error);
    if (status == ADK_OK)
        status = put_tree(image, ret_error);
    if (status != ADK_OK)
        return status;
    setup = adk__wasi_setup_of(worker.run->wasi);
    setup->checkpoint = at_checkpoint;
    setup->checkpoint_data = worker.run;
    setup->checkpoint_path = &ADK__CHECKPOINT_PATH[1];
    return adk__live(worker.orders.entry, worker.run, module, worker.shard, pre,
                     wasmtime_store_new(worker.shard->engine, worker.run, NULL), ret_error);
}

int adk__worker_warm(int channel)
{
    adk_error *error = NULL;
    int failed;
    int status;

    worker.channel = channel;
    worker.is_image = true;
    failed = get_ready();
    if (failed)
        return failed;
    worker.image_head = adk__exchange_map_image(worker.fds[ADK__WORKER_IMAGE_EXCHANGE]);
    if (worker.image_head == NULL || !adk__exchange_read_request(worker.image_head, &worker.image))
        return cannot("the image makes no sense", 0);
    status = warm(&worker.image, &error);
    if (worker.is_child)
        adk__child_finish(worker.run, status, error);
    return status == ADK_OK ? cannot_warm(worker.run->result) : cannot_because(error);
}
