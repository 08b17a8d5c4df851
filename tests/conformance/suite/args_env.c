/* Arguments and environment, as the specification beside this file gives them. */
#include "check.h"

int main(int argc, char **argv)
{
    __wasi_size_t count = 0, size = 0;

    CHECK(argc == 4);
    CHECK(strcmp(argv[1], "first") == 0 && strcmp(argv[2], "the \"second\" arg") == 0 && strcmp(argv[3], "") == 0);
    CHECK(strcmp(getenv("A"), "x") == 0);
    CHECK(strcmp(getenv("WITH SPACE"), "y=z \xc3\xbc") == 0);
    CHECK(getenv("PATH") == NULL && getenv("HOME") == NULL);
    OK(__wasi_environ_sizes_get(&count, &size));
    CHECK(count == 2 && size == 4 + 18);
    OK(__wasi_args_sizes_get(&count, &size));
    CHECK(count == 4);
    FAILS(__wasi_args_sizes_get((__wasi_size_t *)0x7FFFFFFC, &size), FAULT);
    FAILS(__wasi_args_get((uint8_t **)0x7FFFFFF0, (uint8_t *)0), FAULT);
    return 0;
}
