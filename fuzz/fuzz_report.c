/*
 * What a run leaves in the file that it shares with the library, byte for byte an attacker's: first the head behind the
 * layout, as much of it as there is, then what lies among the parts. The first byte says what is asked for.
 *
 * Whatever comes in, it is nothing, a failure with harmless text, or a result that does not contradict itself: no trap without
 * one, no message of who exited, files whose paths lead nowhere else.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/text.h"
#include "core/error.h"
#include "core/result.h"
#include "worker/exchange.h"

#define ELAPSED_NS UINT64_C(1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool condition)
{
    if (!condition)
        abort();
}

static adk_request ask(uint8_t how, const adk_bytes *outputs)
{
    adk_request request = ADK_REQUEST_INIT;

    request.timeout_ns = ELAPSED_NS;
    request.memory_limit_bytes = (uint64_t)1 << 20;
    request.output_limit_bytes = 64;
    request.outputs_limit_bytes = 256;
    request.output_policy = (how & 1) != 0 ? ADK_OUTPUT_STOP : ADK_OUTPUT_TRUNCATE;
    request.fuel = (how & 2) != 0 ? 1000 : 0;
    request.outputs = outputs;
    request.outputs_count = (how & 4) != 0 ? 2 : 0;
    return request;
}

/* What a run could have done to its file. */
static void scribble(int fd, const adk__exchange_layout *layout, const uint8_t *data, size_t size)
{
    const size_t at = offsetof(adk__exchange_head, written);
    size_t head = sizeof(adk__exchange_head) - at;

    if (head > size)
        head = size;
    demand(pwrite(fd, data, head, (off_t)at) == (ssize_t)head);
    size -= head;
    if (size > layout->parts_max)
        size = (size_t)layout->parts_max;
    demand(pwrite(fd, data + head, size, (off_t)layout->parts_at) == (ssize_t)size);
}

static void check_text(const void *data, size_t size)
{
    const unsigned char *bytes = data;

    demand(adk__utf8_valid(data, size));
    for (size_t i = 0; i < size; i++)
        demand(bytes[i] >= 0x20 && bytes[i] != 0x7f);
}

static void check_files(const adk_result *result)
{
    uint64_t content = 0;

    for (size_t i = 0; i < result->file_count; i++) {
        const adk_file_out *file = &result->files[i];
        const char *path = file->path.data;

        demand(file->path.size > 0 && path[0] == '/' && file->output < 2);
        demand(memmem(path, file->path.size, "//", 2) == NULL && memmem(path, file->path.size, "/../", 4) == NULL);
        demand(file->path.size < 3 || memcmp(path + file->path.size - 3, "/..", 3) != 0);
        demand(file->content.size <= file->size_bytes);
        content += file->content.size;
    }
    demand(content <= 256);
}

static void check_report(const adk_result *result, const adk_request *request)
{
    demand(result->outcome <= ADK_OUTCOME_REJECTED && adk_outcome_cstr(result->outcome) != NULL);
    demand((result->outcome == ADK_OUTCOME_EXITED) == (result->message.size == 0));
    demand((result->outcome == ADK_OUTCOME_REJECTED) == (result->reason != ADK_REASON_NONE));
    demand(result->trap_kind != NULL || (result->outcome != ADK_OUTCOME_TRAPPED && result->frame_count == 0));
    demand(result->usage.run_ns <= ELAPSED_NS && result->usage.fuel <= request->fuel);
    check_text(result->message.data, result->message.size);
    check_text(result->trap_message.data, result->trap_message.size);
    for (size_t i = 0; i < result->frame_count; i++)
        check_text(result->frames[i].function_name.data, result->frames[i].function_name.size);
    check_files(result);
}

static void read_back(const adk__exchange_wish *wish)
{
    adk__exchange_found found = ADK__EXCHANGE_NOTHING;
    adk_result *result = NULL;
    adk_error *error = NULL;
    int status;

    demand(adk_result_new(wish->request, &result, NULL) == ADK_OK);
    status = adk__exchange_read(wish, result, &found, &error);
    if (status != ADK_OK) {
        demand(found == ADK__EXCHANGE_FAILURE);
        check_text(adk_error_message_cstr(error), strlen(adk_error_message_cstr(error)));
    } else if (found == ADK__EXCHANGE_REPORT) {
        check_report(result, wish->request);
    } else {
        demand(result->file_count == 0 && result->frame_count == 0 && result->message.size == 0);
    }
    demand(result->output[0].head.size <= 64 && result->output[1].head.size <= 64);
    adk_error_free(error);
    adk_result_free(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const adk_bytes outputs[] = {adk_bytes_make("/a", 2), adk_bytes_make("/b", 2)};
    adk__exchange_orders orders = {.inputs_stop = 0};
    adk__interrupt interrupt;
    adk__exchange_layout layout;
    adk_request request;
    int fd = -1;

    if (size == 0)
        return 0;
    request = ask(data[0], outputs);
    demand(adk__interrupt_init(&interrupt) == 0);
    demand(adk__exchange_make(&request, &orders, &interrupt, &layout, &fd, NULL) == ADK_OK);
    scribble(fd, &layout, data + 1, size - 1);
    read_back(&(adk__exchange_wish){.fd = fd,
                                    .layout = &layout,
                                    .request = &request,
                                    .elapsed_ns = ELAPSED_NS,
                                    .with_report = true,
                                    .was_cancelled = (data[0] & 8) != 0,
                                    .is_late = (data[0] & 16) != 0});
    (void)close(fd);
    adk__interrupt_destroy(&interrupt);
    return 0;
}
