/*
 * The deep copy of a request: one block, with the struct first, then the arrays, which are all aligned alike, then the
 * bytes. One function walks the request twice: to measure, and to copy.
 */
#include "core/request_copy.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

/* A walk over the block. With `at` NULL it only measures. */
struct walk {
    unsigned char *at;
    size_t size;
    bool overflow;
};

#define ALIGNED(type) _Static_assert(sizeof(type) % _Alignof(adk_request) == 0, "arrays follow each other")
ALIGNED(adk_request);
ALIGNED(adk_bytes);
ALIGNED(adk_env);
ALIGNED(adk_file);

static void *put(struct walk *w, const void *data, size_t size)
{
    void *copy = w->at;

    w->overflow |= __builtin_add_overflow(w->size, size, &w->size);
    if (w->at == NULL)
        return NULL;
    if (size > 0)
        memcpy(w->at, data, size);
    w->at += size;
    return copy;
}

static void *put_array(struct walk *w, const void *items, size_t count, size_t item_size)
{
    size_t size;

    w->overflow |= __builtin_mul_overflow(count, item_size, &size);
    return put(w, items, size);
}

/* In the copy of its array a view still points to the original's bytes; here they follow. */
static void put_bytes(struct walk *w, adk_bytes given, adk_bytes *copy)
{
    void *data = put(w, given.data, given.size);

    if (copy != NULL)
        *copy = adk_bytes_make(given.data == NULL ? NULL : data, given.size);
}

static void put_views(struct walk *w, const adk_bytes *given, size_t count, adk_bytes *copy)
{
    for (size_t i = 0; i < count; i++)
        put_bytes(w, given[i], copy == NULL ? NULL : &copy[i]);
}

static void put_env(struct walk *w, const adk_env *given, size_t count, adk_env *copy)
{
    for (size_t i = 0; i < count; i++) {
        put_bytes(w, given[i].name, copy == NULL ? NULL : &copy[i].name);
        put_bytes(w, given[i].value, copy == NULL ? NULL : &copy[i].value);
    }
}

static void put_files(struct walk *w, const adk_file *given, size_t count, adk_file *copy)
{
    for (size_t i = 0; i < count; i++) {
        const char *host_path = given[i].host_path_cstr;

        put_bytes(w, given[i].path, copy == NULL ? NULL : &copy[i].path);
        put_bytes(w, given[i].content, copy == NULL ? NULL : &copy[i].content);
        if (host_path != NULL)
            host_path = put(w, host_path, strlen(host_path) + 1);
        if (copy != NULL)
            copy[i].host_path_cstr = host_path;
    }
}

static adk_request *walk(struct walk *w, const adk_request *given)
{
    adk_request *copy = put(w, given, sizeof(*given));
    adk_bytes *args = put_array(w, given->args, given->args_count, sizeof(*args));
    adk_env *env = put_array(w, given->env, given->env_count, sizeof(*env));
    adk_file *files = put_array(w, given->files, given->files_count, sizeof(*files));
    adk_bytes *outputs = put_array(w, given->outputs, given->outputs_count, sizeof(*outputs));

    put_bytes(w, given->code, copy == NULL ? NULL : &copy->code);
    put_bytes(w, given->stdin_data, copy == NULL ? NULL : &copy->stdin_data);
    put_views(w, given->args, given->args_count, args);
    put_env(w, given->env, given->env_count, env);
    put_files(w, given->files, given->files_count, files);
    put_views(w, given->outputs, given->outputs_count, outputs);
    if (copy != NULL) {
        copy->args = given->args_count == 0 ? NULL : args;
        copy->env = given->env_count == 0 ? NULL : env;
        copy->files = given->files_count == 0 ? NULL : files;
        copy->outputs = given->outputs_count == 0 ? NULL : outputs;
    }
    return copy;
}

size_t adk__request_size(const adk_request *request)
{
    struct walk w = {NULL, 0, false};

    (void)walk(&w, request);
    return w.overflow ? SIZE_MAX : w.size;
}

int adk__request_copy(const adk_request *request, adk_request **ret_copy, adk_error **ret_error)
{
    struct walk w = {NULL, 0, false};
    size_t size = adk__request_size(request);

    if (size == SIZE_MAX)
        return adk__fail_nomem(ret_error);
    w.at = malloc(size);
    if (w.at == NULL)
        return adk__fail_nomem(ret_error);
    *ret_copy = walk(&w, request);
    return ADK_OK;
}
