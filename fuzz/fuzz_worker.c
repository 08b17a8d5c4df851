/*
 * What library and helper say to each other: the first byte chooses the side that listens, the rest is the message. For a
 * verdict the second byte is how many bytes of code there are.
 *
 * Whatever comes in, it ends as one of what it can end as, a message is text without control characters, and code that is
 * taken is as long as was said and can no longer be changed.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "wasm/compiler.h"
#include "worker/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool condition)
{
    if (!condition)
        abort();
}

/* Of its own, so that a byte too many is seen. */
static void *copy(const uint8_t *data, size_t size)
{
    void *memory = calloc(1, size == 0 ? 1 : size);

    demand(memory != NULL);
    if (size > 0)
        memcpy(memory, data, size);
    return memory;
}

static void hear_job(const uint8_t *data, size_t size)
{
    adk__worker_job job;
    void *message = copy(data, size);

    if (adk__worker_job_problem(message, size) == NULL) {
        memcpy(&job, message, sizeof(job));
        demand(size == sizeof(job) && job.source_bytes > 0 && job.source_bytes <= adk__source_max_bytes(job.flavour));
    }
    free(message);
}

static void check_text(const void *data, size_t size)
{
    const unsigned char *bytes = data;

    demand(adk__utf8_valid(data, size));
    for (size_t i = 0; i < size; i++)
        demand(bytes[i] >= 0x20 && bytes[i] != 0x7f);
}

static void check_code(int fd, size_t size)
{
    struct stat status;

    demand(size > 0 && fstat(fd, &status) == 0 && (size_t)status.st_size == size);
    demand((fcntl(fd, F_GET_SEALS) & (F_SEAL_WRITE | F_SEAL_SHRINK)) == (F_SEAL_WRITE | F_SEAL_SHRINK));
    (void)close(fd);
}

static void hear_verdict(size_t code_size, const uint8_t *data, size_t size)
{
    static char path[] = "adk-worker";
    static adk__compilers compilers = {.path = path, .is_there = true, .max = 1};
    static char code[UINT8_MAX];
    const adk__compilation_wish wish = {0, false, adk_bytes_make("x", 1)};
    adk__refusal refusal = ADK__REFUSAL_INIT;
    adk_error *error = NULL;
    adk__compilation_end end = {.code_fd = -1, .refusal = &refusal, .ret_error = &error};
    adk__compilation *job = NULL;
    void *message = copy(data, size);
    int code_fd = -1;
    int status;

    demand(adk__compilation_new(&compilers, &wish, &job, NULL) == ADK_OK);
    code_fd = adk__compilation_code_fd(job);
    demand(write(code_fd, code, code_size) == (ssize_t)code_size);
    status = adk__compilation_judge(job, message, size, &end);
    demand(status == ADK_OK || status == ADK_E_UNAVAILABLE);
    if (status != ADK_OK)
        check_text(adk_error_message_cstr(error), strlen(adk_error_message_cstr(error)));
    else if (end.code_fd >= 0)
        check_code(end.code_fd, code_size);
    else
        demand(refusal.reason != ADK_REASON_NONE);
    check_text(refusal.message.data, refusal.message.size);
    adk__buf_free(&refusal.message);
    adk_error_free(error);
    adk__compilation_free(job);
    free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 1 && (data[0] & 1) != 0)
        hear_job(data + 1, size - 1);
    else if (size >= 2)
        hear_verdict(data[1], data + 2, size - 2);
    return 0;
}
