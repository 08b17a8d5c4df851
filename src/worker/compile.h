/*
 * Compiling one module, told to do so by the library through the channel.
 */
#ifndef ADK_WORKER_COMPILE_H
#define ADK_WORKER_COMPILE_H

/** Takes one job from the channel, does it, and answers. Returns the process's exit status. */
int adk__worker_compile(int channel);

#endif
