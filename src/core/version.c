/*
 * Versions and the library's one bare deallocator.
 */
#include <adk/bytes.h>
#include <adk/version.h>

#include <stdlib.h>

const char *adk_version_cstr(void)
{
    return ADK_VERSION_CSTR;
}

void adk_free(void *memory)
{
    free(memory);
}
