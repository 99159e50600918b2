/* Inside of guacd-session: the session and its users, and what the files of this folder say to each
 * other. Everything here belongs to the wire thread unless it says otherwise; backends see
 * backend.h only. */
#ifndef GUAC_SESSION_SESSION_H
#define GUAC_SESSION_SESSION_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "guacd/base/loop.h"
#include "guacd/base/sandbox.h"
#include "guacd/proto/handshake.h"
#include "guacd/proto/instr.h"
#include "guacd/session/backend.h"
#include "guacd/session/files.h"
#include "guacd/session/link.h"
#include "guacd/session/mailbox.h"
#include "guacd/session/outq.h"

/* ---- limits
 * -------------------------------------------------------------------------------------- */

#define USERS_MAX 64
#define USER_OUT_MAX (64u << 20)   /* bytes waiting for one user: beyond, he is dropped */
#define USER_OUT_SOFT (256u << 10) /* beyond, bulk (clipboard, text) waits */
#define USER_SILENT_MS 15000
#define NOP_EVERY_MS 5000
#define CLOSING_MS 1500             /* to get the last words out */
#define STREAMS_MAX 512             /* inbound, a user */
#define FRAME_BYTES_MAX (48u << 20) /* encoded */
#define SYNCS_MAX 16                /* frames on their way to one user */
#define LAG_MS 120                  /* beyond his best round trip: then frames wait */
#define LAG_RETRY_MS 1000           /* a client that answers no sync still gets this many */
#define FRAME_EVERY_US 36000        /* of a flood, unless the picture wants others */
#define FRAME_BURST 4               /* frames that may follow each other at once after idling */
#define UNWATCHED_EVERY_MS 1000     /* frames for the recorder while nobody can take any */
#define GRACE_MS 60000
#define ASK_MS 120000       /* for a person to answer a prompt */
#define BACKEND_END_MS 3000 /* for a backend to leave run() */
#define TAP_END_MS 5000     /* for the recorder to take the last frames */

enum role { ROLE_VIEWER, ROLE_HELPER, ROLE_OWNER };

/* ---- options of the program (guacd/daemon/child.h) ----------------------------------------- */

struct options {
    char *mode, *run, *trusted_uids, *log_level, *backends;
    bool tls, allow_no_seccomp, denylist_only, sandbox_trap;
};

/* ---- users
 * ------------------------------------------------------------------------------------------ */

enum user_phase {
    USER_HANDSHAKE, /* up to `connect` */
    USER_LIVE,
    USER_CLOSING, /* last words on their way out */
    USER_DEAD,    /* closed; memory goes at the next sweep */
};

struct session;
struct instream;
struct outstream;

struct user {
    struct user *next;
    struct session *s;
    uint32_t number; /* 1…, 0 while in the handshake */
    enum user_phase phase;
    enum role role;
    bool replaces;  /* an owner who takes over from an older tunnel */
    bool moderates; /* authd let him in as one whom the session waits for */
    bool fresh;     /* not one byte was read: the first may carry the tap */
    char sub[128], name[256];
    struct link link;
    struct loop_fd *watch;
    struct handshake_server *hs; /* USER_HANDSHAKE only */
    unsigned version;
    struct picture_caps caps;
    bool ours; /* our page: gets guac.state, and guac.text if `text` */
    bool text;
    bool text_waits, text_asked; /* until the next whole line of text; EVENT_TEXT was put */
    uint64_t since_ms, heard_ms, said_ms;

    struct buf in;
    bool finished;  /* closing: all is said, only his end-of-file is awaited */
    bool clip_turn; /* he got a frame: a piece of bulk comes before the next */
    bool stalled;   /* an instruction waits for room in the mailbox */
    struct outq out;

    uint64_t shown; /* frame on this canvas */
    struct {
        uint64_t ts, sent_us;
    } syncs[SYNCS_MAX]; /* unanswered, oldest first from sync_head */
    unsigned sync_head, sync_count;
    uint64_t lag_ms, best_us; /* last and shortest answer; best 0: none yet */
    uint64_t thrift_us;       /* when caps.thrift was changed last */
    bool blocked;             /* since then his socket was full */

    struct instream *in_streams;
    size_t in_count;
    struct outstream *out_streams; /* bulk waiting to be told, oldest first */
    int next_out;
    bool audio_l8, audio_l16;      /* plays these types */
    int audio_stream;              /* 0: none open */
    int last_x, last_y, last_mask; /* mouse */
    unsigned files_seen;           /* bit i: file system i was shown to him */
    int next_file;                 /* stream of the last file sent to him */
    uint64_t last_file;            /* op that had its turn last */
};

struct user *user_new(struct session *s, int fd, struct ssl_ctx_st *ctx, enum role role,
                      struct err *e);
/* Next step of the conversation: after the descriptor became readable, or room was made. */
void user_read(struct user *u);
/* -1: he is being dropped. */
int user_send(struct user *u, struct chunk *c);
/* As user_send with the content of b, which is empty afterwards. */
int user_send_buf(struct user *u, struct buf *b);
void user_flush(struct user *u);
/* Last words (status 0: plain `disconnect`), then close. The session's view (owner gone, msg) is
 * updated at once. */
void user_end(struct user *u, int status, const char *text);
/* Without words: the socket broke. */
void user_drop(struct user *u, const char *why);
void user_free(struct user *u); /* closed or not, and already out of the list */
bool user_live(const struct user *u);
const char *role_name(enum role r);
bool role_parse(const char *text, enum role *out);
/* Who typed: the person's sub, or "user-<n>". */
const char *user_by(const struct user *u, char out[160]);

/* hello.c: whatever is there, up to `connect` */
void hello_read(struct user *u);

/* input.c: one instruction of a live user. RETRY: no room yet, nothing happened. BAD: e. */
enum input_result { INPUT_OK, INPUT_RETRY, INPUT_BAD };
enum input_result input_instr(struct user *u, const struct instr *in, struct err *e);

/* streams.c: inbound streams, and bulk outwards */
enum input_result streams_open(struct user *u, const struct instr *in, struct err *e);
enum input_result streams_blob(struct user *u, const struct instr *in, struct err *e);
enum input_result streams_end(struct user *u, const struct instr *in, struct err *e);
void streams_free(struct user *u);
void streams_input_taken(struct session *s, uint32_t user, int stream);

/* clip.c: clipboard outwards, a piece whenever the queue has drained */
void clip_offer(struct session *s, const char *mimetype, const char *data, size_t len);
void clip_pump(struct user *u);
void clip_refused(struct user *u, int stream); /* he wants no more of it */
void clip_free(struct user *u);
/* A new stream towards him; odd: nobody's acknowledgement is awaited. */
int clip_next_index(struct user *u);

/* audio.c */
void audio_play(struct session *s, const struct audio_format *f, const void *data, size_t len);
void audio_refused(struct user *u, int stream); /* he wants no more of it */

void streams_ack(struct user *u, int stream, const char *text, int status);
void streams_acks(struct user *u, int stream, unsigned count); /* so many good ones */
/* The op of his stream is over: status and words are for the blobs still to come. */
void streams_file_over(struct user *u, const struct files_op *op, int status, const char *why);

/* files_user.c, files.c: file systems of the target (files.h) */
#define FILES_INDEX_TYPE "application/vnd.glyptodon.guacamole.stream-index+json"
#define FILES_LISTING_TYPE \
    "application/vnd.guac.listing+json" /* our own page's: ARCHITECTURE.md \
                                         */
#define FILES_BYTES_TYPE "application/octet-stream"
struct files_put {
    bool drop; /* a `file` instruction: no object, the name is a bare one */
    int64_t object;
    int stream;
    struct slice mimetype, name;
};
/* He became live, or his role changed. */
void files_user(struct user *u);
void files_left(struct user *u);
enum input_result files_get(struct user *u, const struct instr *in, struct err *e);
struct files_op *files_put(struct user *u, const struct files_put *p, struct err *e);
enum input_result files_blob(struct files_op *op, const char *data, size_t len);
void files_end(struct files_op *op);
void files_break(struct files_op *op);
bool files_ack(struct user *u, int stream, int status); /* false: no stream of ours */
void files_acked(struct files_op *op);
void files_pump(struct user *u);
void files_pause(struct session *s, bool on);
void files_free(struct session *s);
/* Ended transfers with a number beyond `after`, oldest first, at most max. A new reference. */
json_t *files_transfers(const struct session *s, int64_t after, size_t max);

/* ---- the session
 * ------------------------------------------------------------------------------------- */

struct record;
struct typescript;
struct control;
struct ask;

struct session {
    const struct options *options;
    bool gateway;
    struct sandbox_options sandbox;
    struct loop *loop;
    int channel; /* to guacd, -1 once it hung up */
    struct loop_fd *channel_watch;

    char id[64]; /* "" until `connect` */
    const struct protocol *protocol;
    struct args *args;
    char connection[256], owner_sub[128], owner_name[256];
    uint64_t started_wall_ms, start_ms, zero_wall_ms;
    int first_width, first_height, first_dpi;
    char timezone[HANDSHAKE_ITEM_MAX];
    char known_name[320], known_print[65]; /* backend's thread once it runs; api.c */

    struct user *users;
    uint32_t last_number;
    struct user *owner;
    bool owner_seen;
    bool read_only;    /* nobody but us decides */
    bool copy, paste;  /* clipboard: target to person, person to target */
    bool helper_files; /* helpers see file systems, too */
    size_t clipboard_max;

    /* backend */
    void *so;
    const struct backend *backend;
    void *state;
    pthread_t thread;
    bool thread_runs;
    _Atomic bool locked; /* stage B is in force */
    struct mailbox mailbox;
    struct err backend_err; /* written before done, read after */
    bool backend_done;
    pthread_mutex_t gate; /* close() waits until the picture is let go */
    pthread_cond_t gate_changed;
    bool picture_free;

    /* picture and frames (frames.c) */
    struct picture *picture;
    _Atomic bool damaged; /* set by the backend thread, cleared before sealing */
    bool dirty;
    uint64_t sealed, sealed_ts, sealed_us;
    unsigned tokens;
    uint64_t tokens_us, frame_due_us;
    uint64_t cost_us;         /* of sealing a frame, lately */
    struct picture_caps caps; /* of the class that gets frame() */
    struct loop_timer *frame_timer;

    /* file systems: a slot is filled once, then counted */
    struct files *files[FILES_MAX];
    _Atomic unsigned files_count;
    _Atomic bool files_paused;
    bool files_again;    /* a further piece is posted */
    uint64_t files_last; /* id of the newest op */
    json_t *transfers;   /* ended ones, for authd; NULL: none yet */
    uint64_t transfers_last;

    /* text shown since the last frame (backend thread, shown_lock) */
    pthread_mutex_t shown_lock;
    struct buf shown;
    size_t shown_lost;
    _Atomic unsigned text_readers;
    uint64_t last_key; /* backend thread: id of the last key it took */

    struct audio_format audio;    /* of the last sound */
    _Atomic size_t audio_waiting; /* bytes on their way to the wire thread */
    char *title;                  /* last `name`, for late joiners */
    struct ask *ask;              /* under mailbox.lock */
    int tap_fd;                   /* until record_start(), -1 then */
    struct record *record;
    struct typescript *typescript; /* backend thread's once it runs */
    struct control *control;
    int storage; /* for the backend; -1: none, or taken */

    /* life.c */
    bool ending, ended;
    int end_status;
    char end_text[256];
    unsigned paused; /* bits: PAUSE_* */
    char pause_why[128];
    uint64_t grace_ms, grace_until_ms, idle_ms, max_ms, active_ms;
    bool approved;           /* max_ms is what is left of an approval */
    uint64_t leave_until_ms; /* the server is being stopped; 0: it is not */
    struct loop_timer *tick_timer, *grace_timer, *limit_timer, *end_timer;
    uint64_t warn_ms, ending_ms;
    uint64_t silent_ms, nop_ms, tap_end_ms; /* the limits above; tests are less patient */
    bool warned;
};

#define PAUSE_RECORDER 1u
#define PAUSE_MODERATOR 2u
#define PAUSE_STORE 4u /* the recorder asked for it */

struct session *session_new(const struct options *o, struct err *e);
void session_free(struct session *s);
/* ms since the open record's time (or since start, stock): never 0, never backwards. */
uint64_t session_now(const struct session *s);
void session_send_all(struct session *s, struct buf *b); /* b is empty afterwards */

/* start.c */
void start_selected(struct user *u);  /* `select` was read */
void start_connected(struct user *u); /* `connect` was read */
void start_joined(struct user *u);    /* came by `join`: goes on at `args` */
void start_role(struct user *u, enum role role);

/* thread.c: the backend's */
int thread_start(struct session *s, struct err *e);

/* frames.c */
void frames_pump(struct session *s);
void frames_damage(struct session *s); /* posted */
void frames_input(struct session *s);  /* somebody typed: the answer may go out at once */
void frames_acked(struct user *u, uint64_t ts);
void frames_final(struct session *s); /* whatever is not sealed yet, before the end */

/* notify.c: joined, left, titles, guac.state, guac.text */
void notify_joined(struct user *u);
void notify_left(struct user *u);
void notify_welcome(struct user *u);
void notify_state(struct session *s, struct user *only, json_t *members); /* steals members */
void notify_text(struct session *s, const char *line, bool whole);
void notify_drained(struct user *u);
void notify_title(struct session *s, const char *text);
void notify_message(struct session *s, const char *text);
void notify_role(struct user *u);
/* An element for clients of any kind: ASCII, cut. */
void notify_plain(struct buf *b, const char *text);
void notify_log(struct user *u, const char *text); /* one `log`, for this user */

/* ask.c */
bool ask_wants(struct session *s, const char *name);
void ask_answer(struct session *s, const char *name, const char *data, size_t len);
void ask_repeat(struct user *owner);

/* life.c */
int life_init(struct session *s, struct err *e);
void life_fini(struct session *s);
void life_connected(struct session *s);
void life_owner_gone(struct session *s);
void life_owner_back(struct session *s);
void life_active(struct session *s);
void life_leave(struct session *s,
                uint64_t ms); /* the server is being stopped: warn, and end then */
void life_pause(struct session *s, unsigned why, const char *text);
void life_resume(struct session *s, unsigned why);
void life_end(struct session *s, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void life_check_end(struct session *s); /* something that the end waits for happened */
void life_tick(struct session *s);      /* deadlines of users moved */
uint64_t life_grace_left(const struct session *s);
void life_tell(struct session *s, struct user *u); /* what a newcomer has to know */

/* control.c */
int control_listen(struct session *s, struct err *e);
void control_free(struct session *s);
/* channel.c: guacd */
int channel_open(struct session *s, struct err *e);
void channel_say(struct session *s, const char *op, const char *id);
/* Waits for the descriptor that guacd makes for this process, CHILD_ANSWER_MS at most. */
int channel_ask(struct session *s, const char *op, const char *id, struct err *e);
/* Certificates that were accepted at their first use (child.h). Without guacd nothing is known. */
int channel_known(struct session *s, struct err *e); /* fills known_print by known_name */
void channel_remember(struct session *s, const char *print);
/* Files open for writing, by the rows `recording-…` or `typescript-…` (stock mode). */
int channel_files(struct session *s, const char *what, bool timing, int fds[2], struct err *e);
/* join.c: stock `select $id`: hand the descriptor to that session, then end the process */
void join_sibling(struct user *u, const char *id);

#endif
