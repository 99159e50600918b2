/* Drawn over itself with a carriage return: any terminal can do that. */
#include "recording/evidence/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"

#define EACH_MS 200
#define WIDTH 30

void progress_init(struct progress *p, bool wanted) {
    *p = (struct progress){ .shown = wanted && isatty(STDERR_FILENO), .last_ms = clock_ms() };
}

void progress_tell(void *arg, uint64_t done, uint64_t total) {
    static const char full[] = "##############################";
    static const char rest[] = "..............................";
    struct progress *p = arg;
    uint64_t now = clock_ms();
    if (!p->shown || total == 0 || now - p->last_ms < EACH_MS)
        return;
    p->last_ms = now;
    int n = (int)(WIDTH * MIN_OF(done, total) / total);
    fprintf(stderr, "\r[%.*s%.*s] %llu of %llu ", n, full, WIDTH - n, rest,
            (unsigned long long)done, (unsigned long long)total);
}

void progress_done(struct progress *p) {
    if (p->shown)
        fprintf(stderr, "\r%78s\r", "");
}
