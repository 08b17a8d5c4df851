/*
 * The caller's trace context (W3C Trace Context, level 1): taken over where it is valid, ignored where it is not.
 */
#include <string.h>

#include <adk/trace.h>

#include "tool/tool.h"

static bool is_hex(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
            return false;
    }
    return true;
}

static bool is_zero(const char *text, size_t size)
{
    return strspn(text, "0") >= size;
}

/* version "-" trace-id "-" parent-id "-" trace-flags; a later version may have more behind another dash. */
void adk__tool_traceparent(adk_bytes given, char ret_traceparent[ADK__TRACEPARENT_SIZE])
{
    size_t size = ADK__TRACEPARENT_SIZE - 1;
    char text[ADK__TRACEPARENT_SIZE] = "";

    ret_traceparent[0] = '\0';
    if (given.size < size)
        return;
    memcpy(text, given.data, size);
    if (text[2] != '-' || text[35] != '-' || text[52] != '-' || !is_hex(text, 2) || !is_hex(text + 3, 32) ||
        !is_hex(text + 36, 16) || !is_hex(text + 53, 2))
        return;
    if (memcmp(text, "ff", 2) == 0 || is_zero(text + 3, 32) || is_zero(text + 36, 16))
        return;
    if (given.size > size && (memcmp(text, "00", 2) == 0 || ((const char *)given.data)[size] != '-'))
        return;
    memcpy(ret_traceparent, text, sizeof(text));
}

void adk__tool_trace(void *data, const adk_span *span)
{
    const adk__tool_call *call = data;
    adk_span with_parent = *span;

    if (call->traceparent[0] != '\0')
        with_parent.traceparent_cstr = call->traceparent;
    call->on_trace(call->trace_data, &with_parent);
}
