/* Sleeps for three seconds. */
#include <time.h>

int main(void)
{
    const struct timespec time = {.tv_sec = 3};

    return nanosleep(&time, NULL) != 0;
}
