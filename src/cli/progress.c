/*
 * One thread that waits, and writes once a second. What it writes does not wait for a terminal that takes nothing: whoever
 * ends it has a deadline.
 */
#include "cli/progress.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/escape.h"
#include "cli/message.h"
#include "cli/writer.h"

#define LINE_PATIENCE_NS UINT64_C(1000000)

static void put(struct cli_writer *writer, const char *text)
{
    (void)cli_writer_put(writer, adk_bytes_from_cstr(text), cli_deadline_in(LINE_PATIENCE_NS));
}

static void *say(void *data)
{
    struct cli_progress *progress = data;
    uint64_t start_ns = adk__now_ns();
    struct cli_writer writer;
    struct cli_name shown;
    char line[sizeof(shown) + 64]; /* `doing` is a word */
    unsigned seconds = 0;

    (void)cli_name_cstr(progress->name, &shown);
    cli_writer_open(&writer, STDERR_FILENO, -1);
    (void)pthread_mutex_lock(&progress->mutex);
    while (!progress->done) {
        struct timespec next = adk__timespec_from_ns(start_ns + (seconds + 1) * ADK__NS_PER_S);

        if (pthread_cond_clockwait(&progress->done_changed, &progress->mutex, CLOCK_MONOTONIC, &next) != ETIMEDOUT)
            continue;
        seconds++;
        (void)snprintf(line, sizeof(line), "\radk-sandbox: %s %s: %u s ", progress->doing, shown.text, seconds);
        put(&writer, line);
    }
    (void)pthread_mutex_unlock(&progress->mutex);
    if (seconds > 0)
        put(&writer, "\r\033[K");
    cli_writer_close(&writer);
    return NULL;
}

bool cli_progress_start(struct cli_progress *progress, const char *doing, const char *name)
{
    if (!cli_has_controls())
        return false;
    *progress = (struct cli_progress){
        .doing = doing, .name = name, .mutex = PTHREAD_MUTEX_INITIALIZER, .done_changed = PTHREAD_COND_INITIALIZER};
    progress->started = pthread_create(&progress->thread, NULL, say, progress) == 0;
    return progress->started;
}

void cli_progress_stop(struct cli_progress *progress)
{
    if (!progress->started)
        return;
    (void)pthread_mutex_lock(&progress->mutex);
    progress->done = true;
    (void)pthread_cond_signal(&progress->done_changed);
    (void)pthread_mutex_unlock(&progress->mutex);
    (void)pthread_join(progress->thread, NULL);
    progress->started = false;
}
