/*
 * The machine itself: loops that use nothing but a core's registers. What they gain from a second thread is the most that
 * anything gains here; on a machine whose cores are threads of one core, or somebody else's half of the time, that is less
 * than twice.
 */
#include "figure.h"

#include <pthread.h>

#define LOOP_STEPS 6000 /* some microseconds, as a run takes */
#define LOOPS      8000

static void *work(void *data)
{
    uint64_t *state = data;

    for (unsigned i = 0; i < LOOPS * LOOP_STEPS / FIGURE_THREADS_MAX; i++)
        *state = *state * 6364136223846793005u + 1442695040888963407u;
    return NULL;
}

static double per_second(unsigned count)
{
    pthread_t threads[FIGURE_THREADS_MAX];
    uint64_t state[FIGURE_THREADS_MAX][16] = {{0}}; /* each on a cache line of its own */
    double start = figure_now_ns();

    for (unsigned i = 0; i < count; i++) {
        if (pthread_create(&threads[i], NULL, work, state[i]) != 0)
            figure_die("no thread");
    }
    for (unsigned i = 0; i < count; i++)
        (void)pthread_join(threads[i], NULL);
    return (double)LOOPS / FIGURE_THREADS_MAX * count / (figure_now_ns() - start) * 1e9;
}

int main(void)
{
    static const unsigned counts[3] = {1, 2, 4};
    double each[3][FIGURE_THREAD_TIMES];

    for (int i = 0; i < FIGURE_THREAD_TIMES; i++) {
        for (int j = 0; j < 3; j++)
            each[j][i] = per_second(counts[j]);
    }
    for (int j = 0; j < 3; j++) {
        char figure[32];

        (void)snprintf(figure, sizeof(figure), "machine_%u", counts[j]);
        figure_print(figure, "loops in registers", figure_most(each[j], FIGURE_THREAD_TIMES), "loops/s");
    }
    return 0;
}
