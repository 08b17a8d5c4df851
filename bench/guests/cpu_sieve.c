/* CPU-bound: primes below eight million. Prints how many there are. */
#include <stdint.h>
#include <stdio.h>

#define LIMIT 8000000

static uint8_t composite[LIMIT];

int main(void)
{
    unsigned count = 0;

    for (uint32_t i = 2; i < LIMIT; i++) {
        if (composite[i])
            continue;
        count++;
        for (uint64_t j = (uint64_t)i * i; j < LIMIT; j += i)
            composite[j] = 1;
    }
    printf("%u\n", count);
    return 0;
}
