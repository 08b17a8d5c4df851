/* Prints "hello world" through the C library. */
#include <stdio.h>

int main(void)
{
    puts("hello world");
    return 0;
}
