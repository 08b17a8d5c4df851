#include <signal.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "worker/pool.h"

void adk__seat_close(adk__seat *seat)
{
    if (seat->run >= 0)
        (void)close(seat->run);
    if (seat->news >= 0)
        (void)close(seat->news);
    if (seat->pidfd >= 0)
        (void)close(seat->pidfd);
    *seat = (adk__seat){NULL, -1, -1, -1};
}

void adk__seat_kill(const adk__seat *seat)
{
    if (seat->pidfd >= 0)
        (void)pidfd_send_signal(seat->pidfd, SIGKILL, NULL, 0);
}
