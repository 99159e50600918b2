/* What a recording may say about typed keys. Mode `masked`: a run of printable keys of which none
 * appeared at the cursor within KEYS_HOLD_MS is stored masked (evidence.md 2.11), so keys wait
 * here, in order, until that is known. A run ends at any key that prints nothing, but modifiers and
 * BackSpace. Pure: no I/O, no clock. */
#ifndef GUAC_SESSION_KEYS_H
#define GUAC_SESSION_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"

#define KEYS_HOLD_MS 500
#define KEYS_HELD_MAX 4096    /* beyond, the oldest is decided as if its time were over */
#define KEYS_MASK 0x01002022u /* stored instead: a bullet, U+2022 */

enum keys_mode { KEYS_FULL, KEYS_MASKED, KEYS_OFF };

struct key_held {
    uint64_t id, run;
    uint32_t user, keysym;
    bool pressed, printable, masked;
    uint64_t ms;    /* the recording's time */
    uint64_t at_ms; /* the clock */
    unsigned mods;  /* KEYS_CTRL … held with it */
};

#define KEYS_CTRL 1u
#define KEYS_ALT 2u
#define KEYS_META 4u

struct key_down { /* pressed, and how it was stored: its release is stored alike */
    uint32_t user, keysym;
    bool masked;
};

struct keys {
    enum keys_mode mode;
    bool prompt; /* session_mask_input() */
    uint64_t next_id, run, run_first;
    bool in_run;
    uint32_t visible[64], hidden[64]; /* low bits of run numbers, by run % 64; see keys.c */
    struct key_held *ring;
    size_t head, count, cap;
    struct key_down down[64];
    size_t down_count;
    unsigned mods; /* of the last user who typed */
    uint32_t mods_user;
};

void keys_init(struct keys *k, enum keys_mode mode);
void keys_fini(struct keys *k); /* wipes */
/* The id that the next keys_add() will use up. From 1. */
uint64_t keys_next_id(const struct keys *k);
void keys_add(struct keys *k, uint32_t user, uint32_t keysym, bool pressed, uint64_t ms,
              uint64_t now_ms);
/* The key with this id appeared at the cursor, or is known not to. */
void keys_echo(struct keys *k, uint64_t id, bool visible);
/* A secret is being asked for: what waits undecided and what comes is masked. */
void keys_prompt(struct keys *k, bool on);
/* The next key whose storing is decided (all of them with `force`), keysym replaced where masked.
 */
bool keys_take(struct keys *k, uint64_t now_ms, bool force, struct key_held *out);
/* ms until keys_take() has something; UINT64_MAX: nothing waits. */
uint64_t keys_due(const struct keys *k, uint64_t now_ms);
/* What was typed, for readers: the character, "\n", or "<Ctrl+C>"; nothing for releases and bare
 * modifiers. */
void keys_text(const struct key_held *h, struct buf *out);

#endif
