/* Between the files that make up a session. */
#ifndef GUAC_RECORDER_SESSION_IMPL_H
#define GUAC_RECORDER_SESSION_IMPL_H

#include "recording/chunk.h"
#include "recording/dsse.h"
#include "recording/list.h"
#include "recording/recorder/frame.h"
#include "recording/recorder/logger.h"
#include "recording/recorder/session.h"

#define DATA_AGE_US 2000000u /* frames wait at most this long for their chunk */
#define TEXT_AGE_US 3000000u /* text too: its frames are not acknowledged before */
#define TEXT_BYTES (64u << 10)
#define CHUNK_BYTES (256u << 10) /* a chunk's size while the store keeps up */
#define CHUNK_BYTES_MAX (2u << 20)
#define PUTS_MAX 4            /* requests under way for a session */
#define HELD_MAX (20u << 20)  /* memory a session may take before its tap is not read */
#define HELD_SHARE (1u << 20) /* what each may take when all together have taken theirs */
#define SPOOL_PENDING_MAX (8u << 20)
#define RETRY_MIN_MS 250
#define RETRY_MAX_MS 4000
#define NEW_LIFE_MS 60000    /* a `new` that no `open` follows */
#define RECONNECT_MS 15000   /* longer than a session's own hard limit */
#define ENDED_AGAIN_MS 30000 /* authd is asked again for a seal */

/* What gathers for the next chunk of a kind. */
struct chain {
    struct buf raw;
    uint64_t seq0, seq1, t0, t1, frames; /* of what is in raw */
    uint64_t first_us;                   /* when the oldest of it came */
    uint32_t next_i;
    uint64_t offset;     /* of raw in the kind's stream */
    uint64_t last_start; /* t0 of the last keyframe */
    uint64_t covered;    /* last sequence in finished chunks */
    char prev[HASH_HEX]; /* the worker's while one is being made */
};

enum stage { CUT, MAKING, SPOOLING, READY, PUTTING, FAILED };

/* A chunk on its way to the store. */
struct object {
    struct job job;
    struct session *s;
    struct object *next;
    uint64_t number; /* from 1, as they are cut */
    uint64_t seq0; /* its first frame: the loop's, while a worker fills the header and the entry */
    enum stage stage;
    struct chunk_header h;
    struct buf raw, data;
    struct list_entry entry;
    uint64_t first_us, put_us;
    enum store_result result;
    struct store_meta meta;
    struct err err;
};

/* A request for one of a session's other objects: open, list, seal. One at a time. */
struct errand {
    struct job job;
    struct session *s;
    bool running;
    struct buf data; /* of the object */
    uint8_t root[MERKLE_HASH];
    uint64_t count;
    struct seal_chain chains[CHAIN_KINDS];
    uint32_t last_i[CHAIN_KINDS];
    char heads[CHAIN_KINDS][HASH_HEX];
    uint64_t frames, last_seq, last_ms, put_us;
    enum store_result result;
    struct store_meta meta;
    char sha256[HASH_HEX];
    struct err err;
};

struct session {
    struct session *next;
    struct recorder *r;
    char id[UUID_LEN + 1], prefix[NAME_PREFIX_SIZE], keys[8];
    uint64_t start, retain_until;
    enum session_state state;
    bool freeing;
    size_t jobs; /* on workers */
    struct sign_key *key;
    struct spool *spool;
    bool spool_failing;
    struct loop_timer *timer;       /* flush, by age */
    struct loop_timer *retry_timer; /* by failures; also of NEW, OPENING and SEALING */
    uint64_t retry_ms;

    /* open */
    struct buf envelope; /* its bytes, until they are stored */
    uint64_t state_file; /* the spool's number of the last state written */
    bool in_doubt;       /* it may be stored although it was refused to authd */
    session_opened *opened;
    void *opened_arg;
    char open_sha256[HASH_HEX], open_version[STORE_VERSION_SIZE];
    uint64_t open_size;
    bool logging;              /* its leaf is on its way, of the open record or of the seal */
    uint64_t log_from;         /* the log's size before its open record was written */
    struct logger_place place; /* of the open record; index UINT64_MAX: not known */

    /* whose it is */
    bool in_list, listed; /* of our alive object: in the one under way; in the one that is stored */
    bool mine;            /* nobody else seals it: it may be stored */
    bool foreign;         /* another recorder left it behind; it has no spool */
    char gateway[UUID_LEN + 1]; /* that one */
    uint64_t silent_since;
    void (*adopted)(void *arg, bool ok);
    void *adopted_arg;
    bool adopted_ok;

    /* chunks */
    struct chain chains[CHAIN_KINDS];
    struct object *objects, **objects_end; /* not stored, by number */
    size_t waiting;                        /* how many */
    uint64_t object_count, list_lines, list_durable;
    bool making, conflict;
    int puts;
    size_t held, threshold;
    uint64_t bytes; /* of all frames */
    uint64_t last_ms;

    /* tap */
    int tap;
    int control, control_tap; /* asking for it again; its other end */
    struct loop_fd *tap_watch, *control_watch;
    struct buf in, out;
    uint64_t seq, spooled, acked, said_spooled, said_acked;
    uint64_t reconnect_until_ms;
    bool ended;   /* the last frame came */
    bool resumed; /* it may have begun before the recorder was restarted */
    bool parsing;

    /* end */
    const char *end_state;
    struct frame_end end;
    uint64_t end_ms;
    struct errand errand;
    json_t *predicate;
    bool sealed;      /* authd's envelope is in errand.data */
    bool seal_stored; /* the seal is; errand.data is what is stored */
    int64_t seal_at;  /* its end */
    char seal_sha256[HASH_HEX];
};

/* session.c */
struct session *session_alloc(struct recorder *r, const char *id);
int session_add_spool(struct session *s);
void session_gone(struct session *s);    /* frees it, now or after its last job */
bool session_release(struct session *s); /* after each job; false: it is gone */
int session_write_state(struct session *s);
void session_retry(struct session *s); /* arm retry_timer, ever later */
void session_key_of(const struct session *s, const char *name, char out[NAME_KEY_SIZE]);
void session_submit(struct session *s, void (*run)(struct job *j, struct worker *w),
                    void (*done)(struct job *j)); /* the errand */
/* session_open.c */
void session_open_put(struct session *s);
/* session_log.c */
void session_log_open(struct session *s);
void session_log_seal(struct session *s);
void session_opened_in_log(struct session *s); /* session_open.c */
void session_sealed_in_log(struct session *s); /* session_end.c */
/* session_tap.c */
int session_tap_attach(struct session *s, int fd);
void session_tap_close(struct session *s);
void session_tap_flow(struct session *s);        /* read, or not */
void session_tap_acknowledge(struct session *s); /* say what is new */
void session_reconnect(struct session *s);
/* session_chunk.c */
void session_chunk_init(struct session *s);
void session_chunk_fini(struct session *s);
void session_hold(struct session *s, int64_t bytes); /* memory taken or given back */
/* A frame's bytes join their chain. -1: no memory. */
int session_frame(struct session *s, const struct frame *f);
/* After a restart: it is in a finished chunk already; but it may have been the last one. */
void session_frame_again(struct session *s, const struct frame *f);
void session_cut(struct session *s); /* whatever is due, and what is waiting */
void session_objects_durable(struct session *s, uint64_t objects);
void session_make(struct session *s);
void session_dispatch(struct session *s);
struct object *session_object_add(struct session *s);
uint64_t session_behind_ms(const struct session *s);
/* session_end.c */
void session_finish(struct session *s, const char *state, int status, const char *reason);
void session_spoil(struct session *s, const char *why); /* it cannot end well any more */
void session_check_end(struct session *s);
void session_state_durable(struct session *s);
void session_seal_again(struct session *s);
void session_ask_seal(struct session *s);
int session_count_lines(struct errand *t, const struct buf *lines, struct err *e);
json_t *session_make_predicate(struct session *s, struct err *e);
/* STORE_OK: it is sealed, and what its leaf is to say is noted. */
enum store_result session_find_seal(struct errand *t, struct store *store);
/* session_alive.c */
void session_look(struct session *s); /* is it ours? */
/* session.c */
void session_ours(struct session *s); /* it is: on with it */
/* session_adopt.c */
void session_gather(struct session *s);

#endif
