#include "guacd/backends/ssh/pace.h"

#include "guacd/base/util.h"

#define HEADERS 2048u /* silence of that much is more than headers and window adjustments */
#define LITTLE 200u   /* … once it is known to come */

void pace_start(struct pace *p) {
    p->raw_then = p->raw;
    p->data_then = p->data;
}

static size_t burst(const struct pace *p) {
    return p->burst ? p->burst : PACE_FIRST;
}

size_t pace_room(const struct pace *p) {
    if (p->off)
        return SIZE_MAX;
    if (p->probe)
        return p->probe;
    size_t most = p->quiet ? PACE_QUIET : 2 * burst(p);
    return most > p->unproved ? MIN_OF(most - p->unproved, burst(p)) : 0;
}

void pace_wrote(struct pace *p, size_t n, uint64_t now_ms) {
    if (!p->unproved)
        p->since = now_ms;
    p->unproved += n;
    p->probe -= MIN_OF(n, p->probe);
}

bool pace_ask(struct pace *p, uint64_t now_ms) {
    if (p->off || p->quiet || p->asked || p->unproved < burst(p))
        return false;
    p->asked = p->unproved;
    p->since = now_ms;
    return true;
}

void pace_answered(struct pace *p, uint64_t now_ms) {
    size_t taken = MIN_OF(p->asked, p->unproved);
    p->asked = 0;
    p->since = now_ms;
    pace_look(p, now_ms);
    if (p->quiet)
        return;
    p->unproved -= taken;
    p->burst = MIN_OF(burst(p) * 2, PACE_MOST);
}

/* So much silence came: that much was taken, less what are headers; or everything, when it answers
 * a probe. */
static void hush(struct pace *p, uint64_t silent, uint64_t now_ms) {
    size_t taken = (size_t)MIN_OF(silent - silent / 24, p->unproved);
    p->unproved = p->probing ? 0 : p->unproved - taken;
    p->quiet = true;
    p->probing = false;
    p->probe = 0;
    p->burst = PACE_FIRST;
    p->since = now_ms;
}

void pace_look(struct pace *p, uint64_t now_ms) {
    uint64_t shown = p->data - p->data_then, silent = p->raw - p->raw_then - shown;
    bool silence = silent > shown && silent > (p->quiet ? LITTLE : HEADERS);
    uint64_t gone = now_ms - p->since;
    if (silence) {
        hush(p, silent, now_ms);
    } else if (p->quiet && p->unproved && !p->probing && gone >= PACE_PROBE_MS) {
        p->probing = true;
        p->probe = PACE_PROBE;
    } else if (p->quiet && (shown > HEADERS || (p->unproved && gone >= PACE_LOUD_MS))) {
        p->quiet = p->probing = false;
        p->unproved = p->probe = 0;
    } else if (p->asked && gone >= PACE_ANSWER_MS) {
        p->off = true;
    }
    if (silence || shown || !p->unproved)
        pace_start(p);
}

int pace_wait_ms(const struct pace *p, uint64_t now_ms) {
    if (p->off || !p->unproved || (!p->quiet && !p->asked))
        return -1;
    uint64_t limit = !p->quiet ? PACE_ANSWER_MS : p->probing ? PACE_LOUD_MS : PACE_PROBE_MS;
    uint64_t gone = now_ms - p->since;
    return gone >= limit ? 0 : (int)(limit - gone);
}
