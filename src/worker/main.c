/*
 * adk-worker, the helper program of the library: it does what must not be done in somebody else's process.
 *
 *   adk-worker compile    compiles one module and ends (worker/compile.c)
 *   adk-worker serve      forks a process for each run of an ordinary module (worker/serve.c)
 *   adk-worker warm       warms a runtime, and forks it for each run (worker/serve.c)
 *
 * It is started by the library, which holds the other end of a channel on descriptor 3; by hand it is of no use. It has
 * no privileges but its own, gives those up first, and believes nothing that it is told (worker/protocol.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "worker/compile.h"
#include "worker/protocol.h"
#include "worker/serve.h"

static int is_channel(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

static const struct {
    const char *name;
    int (*work)(int channel);
} works[] = {
    {"compile", adk__worker_compile},
    {"serve", adk__worker_serve},
    {"warm", adk__worker_warm},
};

int main(int argc, char *argv[])
{
    char version[ADK__WORKER_VERSION_MAX];

    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        adk__worker_version(version);
        (void)printf("adk-worker %s\n", version);
        return EXIT_SUCCESS;
    }
    /* Without what runs at exit: nothing is to be cleaned up, and the filter would not let it. */
    for (size_t i = 0; i < ADK_COUNT(works); i++) {
        if (argc == 2 && strcmp(argv[1], works[i].name) == 0 && is_channel(ADK__PROCESS_CHANNEL_FD))
            _exit(works[i].work(ADK__PROCESS_CHANNEL_FD));
    }
    (void)fputs("adk-worker is started by adk-sandbox and its library; it is of no use by hand.\n", stderr);
    return 2;
}
