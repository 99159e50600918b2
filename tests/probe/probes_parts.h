/* What the probes*.c files share. A deed returns 0 or an errno; value is told with it. */
#ifndef GUAC_TESTS_PROBES_PARTS_H
#define GUAC_TESTS_PROBES_PARTS_H

#include <errno.h>
#include <unistd.h>

struct probe {
    const char *name;
    int (*fn)(char **words, long *value);
    int words;
};

/* Each ended by a row without a name. */
extern const struct probe probes_files[], probes_programs[], probes_network[], probes_processes[];

/* 0 for any result that is none of an error; closes a descriptor. */
static inline int close_after(long fd) {
    if (fd < 0)
        return errno;
    close((int)fd);
    return 0;
}

static inline int result(long r) {
    return r < 0 ? errno : 0;
}

#endif
