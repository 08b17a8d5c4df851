#include "runtime/unpacker.h"

#include <dlfcn.h>
#include <string.h>

#include "core/error.h"

#define LIBRARY "libarchive.so.13"

/* POSIX has a function's address be a void *, which ISO C will not convert. */
static int find(void *library, const char *name, void *ret_function, adk_error **ret_error)
{
    void *found = dlsym(library, name);

    if (found == NULL)
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, LIBRARY " has no %s()", name);
    memcpy(ret_function, &found, sizeof(found));
    return ADK_OK;
}

int adk__unpacker_open(adk__unpacker *ret_unpacker, adk_error **ret_error)
{
    adk__unpacker found = {.library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL)};
    int code = ADK_OK;

    if (found.library == NULL)
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0,
                         "packages are unpacked by " LIBRARY ", which is not here (Debian: libarchive13)");
#define UNPACKER_FIND(name) \
    if (code == ADK_OK)     \
        code = find(found.library, "archive_" #name, &found.name##_, ret_error);
    ADK__UNPACKER_MAP(UNPACKER_FIND)
#undef UNPACKER_FIND
    if (code != ADK_OK)
        (void)dlclose(found.library);
    else
        *ret_unpacker = found;
    return code;
}

void adk__unpacker_close(adk__unpacker *unpacker)
{
    (void)dlclose(unpacker->library);
}
