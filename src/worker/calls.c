/*
 * Theory of operation. A session is a fork of a warm image that does not end with its first request. Its driver opens
 * ADK__CHECKPOINT_PATH/CODE when a program has ended, and in that host call the process reports, lets go of the file that it
 * shared for the call, says so on its channel, and waits for the next. The guest is at rest then, in the middle of a call
 * into the host: just as in the image's own checkpoint. So the same holds: one thread, no lock held, and a fork is a whole
 * copy.
 *
 * A fork is ordered over the session's channel, with the branch's end of another. The session clones itself as a child of
 * the worker (CLONE_PARENT), which alone collects children and knows how they ended; the branch says hello on its channel,
 * where the worker listens for that (worker/forks.c), and waits for calls of its own.
 *
 * Whatever ends a guest ends the session: a trap or a deadline leaves an interpreter in the middle of something, and nobody
 * can say what it is good for. The call's report says how it came; the next call finds nobody.
 *
 * Between two calls a timer runs: a session that nobody asks for anything ends by itself. When the library goes, the channel
 * closes, and it ends as well.
 */
#include "worker/calls.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/clock.h"
#include "wasi/wasi.h"
#include "worker/child.h"
#include "worker/image.h"
#include "worker/walls.h"

static struct {
    int channel;
    adk__run *run;
    wasm_engine_t *engine;
    adk__worker_opening opening;
    uint32_t call;
    uint64_t cpu_ns; /* when the call began */
    bool is_new_process;
} session;

bool adk__calls_is_new_process(void)
{
    return session.is_new_process;
}

/* ---- answers ------------------------------------------------------------------------------------------------------- */

static void say(adk__worker_word word, int status, uint64_t cpu_ns)
{
    const adk__worker_message message = {
        .magic = ADK__WORKER_MAGIC, .word = word, .exit_status = status, .call = session.call, .cpu_ns = cpu_ns};

    if (adk__channel_send(session.channel, &message, sizeof(message), NULL, 0) != 0)
        _exit(EXIT_FAILURE);
}

static uint64_t cpu_now_ns(void)
{
    return adk__clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* ---- forking ------------------------------------------------------------------------------------------------------- */

/* In the branch. Timers are not inherited; limits, handlers and the filter are. */
static void become_branch(int channel, const adk__worker_opening *opening)
{
    adk__walls_begin_branch();
    (void)close(session.channel);
    session.channel = channel;
    session.opening = *opening;
    session.is_new_process = true;
    session.call = 0;
    if (adk__child_make_timer(session.run, session.engine) != 0)
        _exit(EXIT_FAILURE);
    say(ADK__WORKER_HELLO, 0, 0);
}

/* Where it fails nobody says hello, and the channel closes. */
static void branch(int channel, const adk__worker_opening *opening)
{
    long pid = syscall(SYS_clone, ADK__WALLS_FORK_FLAGS, NULL, NULL, NULL, NULL);

    if (pid == 0)
        become_branch(channel, opening);
    else
        (void)close(channel);
}

/* ---- calls --------------------------------------------------------------------------------------------------------- */

static bool at_end_of_call(void *data);

/* Works off what the library sends until the guest is to go on. */
static void wait_for_call(void)
{
    union {
        adk__worker_message message;
        adk__worker_opening opening;
    } order;

    for (;;) {
        uint64_t idle_ns = adk__add_saturated(adk__now_ns(), session.opening.idle_ns);
        size_t size = 0;
        size_t count = 1;
        int fd = -1;
        int failed;

        adk__child_wait_until(idle_ns < session.opening.until_ns ? idle_ns : session.opening.until_ns);
        failed = adk__channel_receive_some(session.channel, 0, &order, sizeof(order), &size, &fd, &count);
        adk__child_stop_waiting();
        if (failed || count != 1)
            _exit(EXIT_FAILURE);
        if (adk__worker_opening_is(&order.opening, size, ADK__WORKER_FORK)) {
            branch(fd, &order.opening);
            continue;
        }
        if (!adk__worker_message_is(&order.message, size, ADK__WORKER_CALL))
            _exit(EXIT_FAILURE);
        session.call = order.message.call;
        session.cpu_ns = cpu_now_ns();
        if (adk__child_begin_call(session.channel, fd, session.call, session.run))
            return;
        say(ADK__WORKER_RETURNED, 0, cpu_now_ns() - session.cpu_ns);
    }
}

/* In the guest's call: the program has ended. */
static bool at_end_of_call(void *data)
{
    adk__wasi_setup *setup = adk__wasi_setup_of(session.run->wasi);

    (void)data;
    session.is_new_process = false;
    adk__child_end_call(session.run, setup->checkpoint_number);
    say(ADK__WORKER_RETURNED, 0, cpu_now_ns() - session.cpu_ns);
    wait_for_call();
    setup->checkpoint = at_end_of_call;
    return true;
}

bool adk__calls_begin(int channel, adk__run *run, const adk__shard *shard)
{
    adk__wasi_setup *setup = adk__wasi_setup_of(run->wasi);
    const adk__worker_opening *opening = &session.opening;
    size_t size = 0;
    int failed = adk__channel_receive(channel, 0, &session.opening, sizeof(session.opening), &size, NULL, 0);

    if (failed || !adk__worker_opening_is(opening, size, ADK__WORKER_OPEN))
        _exit(EXIT_FAILURE);
    session.channel = channel;
    session.run = run;
    session.engine = shard->engine;
    session.is_new_process = true;
    run->result = NULL;
    adk__child_begin_session();
    failed = adk__child_make_timer(run, shard->engine);
    if (!failed && !adk__child_take_budget(run, opening->memory_bytes))
        failed = ENOSPC;
    if (!failed)
        failed = adk__walls_seal_session(adk__add_saturated(opening->memory_bytes, opening->outputs_bytes),
                                         opening->cpu_s, (opening->flags & ADK__WORKER_FORKS) != 0);
    say(ADK__WORKER_OPENED, failed, 0);
    if (failed)
        _exit(EXIT_FAILURE);
    wait_for_call();
    setup->checkpoint = at_end_of_call;
    setup->checkpoint_numbered = true;
    return true;
}
