/* CPU-bound: Fibonacci numbers and Ackermann's function by calls alone. Prints their sum. */
#include <stdint.h>
#include <stdio.h>

__attribute__((noinline)) static uint32_t fibonacci(uint32_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

__attribute__((noinline)) static uint32_t ackermann(uint32_t m, uint32_t n)
{
    if (m == 0)
        return n + 1;
    return n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

int main(void)
{
    volatile uint32_t n = 35;
    volatile uint32_t m = 2;

    printf("%u\n", fibonacci(n) + ackermann(m, 1000));
    return 0;
}
