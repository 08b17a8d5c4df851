/* Copies standard input to standard output. */
#include <stddef.h>
#include <unistd.h>

static char block[65536];

int main(void)
{
    for (;;) {
        ssize_t got = read(0, block, sizeof(block));

        if (got <= 0)
            return got < 0;
        for (ssize_t at = 0; at < got;) {
            ssize_t put = write(1, block + at, (size_t)(got - at));

            if (put <= 0)
                return 1;
            at += put;
        }
    }
}
