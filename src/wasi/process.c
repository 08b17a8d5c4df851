/*
 * What a guest knows of its process: arguments, environment, its end. And the functions that have nothing behind them:
 * signals and sockets.
 */
#include <sched.h>
#include <string.h>

#include "wasi/context.h"

/* The strings of argv, or of the environment as NAME=VALUE; each of at most three parts, and ended by a NUL. */
typedef struct strings {
    const adk_request *request;
    bool is_env;
} strings;

static size_t count_of(const strings *list)
{
    return list->is_env ? list->request->env_count : list->request->args_count;
}

static uint64_t size_of(const strings *list, size_t i)
{
    if (!list->is_env)
        return (uint64_t)list->request->args[i].size + 1;
    return (uint64_t)list->request->env[i].name.size + 1 + list->request->env[i].value.size + 1;
}

static uint64_t total_of(const strings *list)
{
    uint64_t total = 0;

    for (size_t i = 0; i < count_of(list); i++)
        total += size_of(list, i);
    return total;
}

static uint8_t *put(uint8_t *at, adk_bytes bytes, char end)
{
    if (bytes.size > 0)
        memcpy(at, bytes.data, bytes.size);
    at[bytes.size] = (uint8_t)end;
    return at + bytes.size + 1;
}

static uint16_t get_sizes(adk__wasi *wasi, bool is_env, const uint64_t *args)
{
    strings list = {wasi->setup.request, is_env};
    uint32_t count_at = (uint32_t)args[0];
    uint32_t total_at = (uint32_t)args[1];
    uint64_t count = count_of(&list);
    uint64_t total = total_of(&list);

    if (!adk__wasi_has_range(wasi, count_at, 4) || !adk__wasi_has_range(wasi, total_at, 4))
        return ADK__WASI_EFAULT;
    if (count > UINT32_MAX || total > UINT32_MAX)
        return ADK__WASI_EOVERFLOW;
    adk__wasi_store32(&wasi->call.memory, count_at, (uint32_t)count);
    adk__wasi_store32(&wasi->call.memory, total_at, (uint32_t)total);
    return ADK__WASI_SUCCESS;
}

static uint16_t get_strings(adk__wasi *wasi, bool is_env, const uint64_t *args)
{
    strings list = {wasi->setup.request, is_env};
    uint32_t pointers = (uint32_t)args[0];
    uint32_t text = (uint32_t)args[1];
    uint64_t total = total_of(&list);
    uint8_t *at;
    uint8_t *begin;

    if (!adk__wasi_has_range(wasi, pointers, (uint64_t)count_of(&list) * 4) || !adk__wasi_has_range(wasi, text, total))
        return ADK__WASI_EFAULT;
    begin = at = adk__wasi_at(&wasi->call.memory, text, total);
    for (size_t i = 0; i < count_of(&list); i++) {
        adk__wasi_store32(&wasi->call.memory, pointers + 4 * (uint64_t)i, text + (uint32_t)(at - begin));
        if (list.is_env)
            at = put(at, list.request->env[i].name, '=');
        at = put(at, list.is_env ? list.request->env[i].value : list.request->args[i], '\0');
    }
    return ADK__WASI_SUCCESS;
}

uint16_t adk__wasi_do_args_get(adk__wasi *wasi, const uint64_t *args)
{
    return get_strings(wasi, false, args);
}

uint16_t adk__wasi_do_args_sizes_get(adk__wasi *wasi, const uint64_t *args)
{
    return get_sizes(wasi, false, args);
}

uint16_t adk__wasi_do_environ_get(adk__wasi *wasi, const uint64_t *args)
{
    return get_strings(wasi, true, args);
}

uint16_t adk__wasi_do_environ_sizes_get(adk__wasi *wasi, const uint64_t *args)
{
    return get_sizes(wasi, true, args);
}

uint16_t adk__wasi_do_proc_exit(adk__wasi *wasi, const uint64_t *args)
{
    wasi->call.stop = ADK__WASI_EXIT;
    wasi->call.exit_code = (uint32_t)args[0];
    return ADK__WASI_SUCCESS;
}

uint16_t adk__wasi_do_proc_raise(adk__wasi *wasi, const uint64_t *args)
{
    (void)wasi;
    (void)args;
    return ADK__WASI_ENOSYS;
}

/* A deterministic run makes no system call for it: there is nothing in it that waiting could change. */
uint16_t adk__wasi_do_sched_yield(adk__wasi *wasi, const uint64_t *args)
{
    (void)args;
    if (!wasi->clocks.is_virtual)
        (void)sched_yield();
    return ADK__WASI_SUCCESS;
}

/* There are no sockets, so an open descriptor is never one. */
static uint16_t refuse_socket(adk__wasi *wasi, const uint64_t *args)
{
    return adk__wasi_fd_get(wasi, (uint32_t)args[0]) == NULL ? ADK__WASI_EBADF : ADK__WASI_ENOTSOCK;
}

uint16_t adk__wasi_do_sock_accept(adk__wasi *wasi, const uint64_t *args)
{
    return refuse_socket(wasi, args);
}

uint16_t adk__wasi_do_sock_recv(adk__wasi *wasi, const uint64_t *args)
{
    return refuse_socket(wasi, args);
}

uint16_t adk__wasi_do_sock_send(adk__wasi *wasi, const uint64_t *args)
{
    return refuse_socket(wasi, args);
}

uint16_t adk__wasi_do_sock_shutdown(adk__wasi *wasi, const uint64_t *args)
{
    return refuse_socket(wasi, args);
}
