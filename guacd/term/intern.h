/* Equal records get equal small numbers. A terminal's cells name their style and their combined
 * characters by such a number, so a cell is 64 bits and comparing two is one instruction.
 * Numbers are stable; what nothing names any more is taken back by mark and sweep. */
#ifndef GUAC_TERM_INTERN_H
#define GUAC_TERM_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTERN_NONE UINT32_MAX

struct intern {
    unsigned char *records;
    uint32_t *slots;    /* hash table of number + 1 */
    uint8_t *state;     /* per number: free, used, marked */
    size_t record_size; /* a multiple of 4; padding must be zero */
    uint32_t count;     /* numbers in use */
    uint32_t end;       /* numbers ever used: the next fresh one */
    uint32_t cap, max;
    uint32_t slot_count; /* power of two */
    uint32_t free_hint;
    uint32_t sweep_at; /* intern_crowded() from this count on */
};

/* The first record gets number 0 and is never taken back. -1 without memory. */
int intern_init(struct intern *t, size_t record_size, uint32_t max, const void *first);
void intern_fini(struct intern *t);
/* The number of this record, INTERN_NONE when there is no room. */
uint32_t intern_get(struct intern *t, const void *record);
/* NULL for a number that is not in use. Valid until the next intern_get(). */
const void *intern_at(const struct intern *t, uint32_t number);

/* Time to mark what is named and sweep the rest? */
bool intern_crowded(const struct intern *t);
void intern_mark(struct intern *t, uint32_t number);
void intern_sweep(struct intern *t);

#endif
