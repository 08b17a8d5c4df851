/*
 * Fuzzes the way from text to a run: two bytes choose how it is run, the rest is WebAssembly text. dict/text.dict has its
 * words.
 *
 * What must hold of every result is in support.c.
 */
#include "support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    adk_request request = ADK_REQUEST_INIT;

    fuzz_choose(&in, &request);
    if (in.size > FUZZ_CODE_MAX)
        return 0;
    request.code = adk_bytes_make(in.data, in.size);
    fuzz_run(&request, false);
    return 0;
}
