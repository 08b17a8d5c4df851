/* CPU-bound: products of matrices of 240 by 240 doubles. Prints an element. */
#include <stdio.h>

#define N     240
#define TIMES 8

static double a[N][N];
static double b[N][N];
static double c[N][N];

int main(void)
{
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = (i * 7 + j) % 11 / 8.0;
            b[i][j] = (i + j * 5) % 13 / 16.0;
        }
    }
    for (int times = 0; times < TIMES; times++) {
        for (int i = 0; i < N; i++) {
            for (int j = 0; j < N; j++) {
                double sum = 0;

                for (int k = 0; k < N; k++)
                    sum += a[i][k] * b[k][j];
                c[i][j] = sum;
            }
        }
        a[times][times] += c[times][times] / 1024;
    }
    printf("%.9f\n", c[N / 2][N / 3]);
    return 0;
}
