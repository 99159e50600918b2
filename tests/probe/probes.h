/* A probe is one forbidden (or allowed) deed, done with plain system calls so that it may run in a
 * signal handler on any thread of a sealed program. The test asks for them one by one over a
 * socket, in turns, so that a stream does as well as packets: a request is the probe's name and its
 * words, tab-separated; the answer is one JSON line {"probe","words","error","value"}, error ""
 * when the deed succeeded. */
#ifndef GUAC_TESTS_PROBES_H
#define GUAC_TESTS_PROBES_H

#define PROBE_SIGNAL (SIGRTMAX - 1)

/* Say where we are ({"stage","thread"}), then answer requests until `done`, the peer's end, or the
 * socket's own timeout. The words of an unknown request are left to `other` (may be NULL): 0 or an
 * errno. One caller at a time in a process. */
void probes_serve(int fd, const char *stage,
                  int (*other)(const char *name, char **words, long *value));
/* From now on PROBE_SIGNAL makes the thread that takes it serve, stage "signal". */
void probes_arm(int fd);

#endif
