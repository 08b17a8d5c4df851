/*
 * A worker that serves: it gets ready, and forks a run for each seat.
 */
#ifndef ADK_WORKER_SERVE_H
#define ADK_WORKER_SERVE_H

/** For ordinary modules: an engine is ready, no guest's code has been seen. Returns the process's exit status. */
int adk__worker_serve(int channel);

/** For a runtime: its image is warmed to the checkpoint, where it serves. Returns the process's exit status. */
int adk__worker_warm(int channel);

#endif
