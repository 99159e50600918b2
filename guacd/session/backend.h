/* What a backend is, and what a session gives it. backends/demo is the template.
 *
 * A backend's .so exports one symbol, `const struct backend backend`. Its functions run on the
 * backend thread, the only one that may touch its library; they may block, for waiting is done on
 * session_event_fd() together with the library's own descriptor. All session_* calls below are for
 * that thread and return at once unless said otherwise. */
#ifndef GUAC_SESSION_BACKEND_H
#define GUAC_SESSION_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/err.h"
#include "guacd/display/picture.h"
#include "guacd/proto/args.h"

struct session;

enum event_type {
    EVENT_KEY,       /* keysym, pressed */
    EVENT_MOUSE,     /* x, y, mask; moves coalesce */
    EVENT_TOUCH,     /* touch */
    EVENT_SIZE,      /* width, height, dpi: clamped to 1…8192, last one wins */
    EVENT_CLIPBOARD, /* data, len, mimetype: whole, within clipboard-buffer-size, policy passed */
    EVENT_ARGV,      /* name, data: a live parameter changed (checked against its row) */
    EVENT_INPUT,     /* data, len: bytes of an inbound pipe named STDIN, acknowledged as taken */
    EVENT_RELEASE,   /* the input's owner is gone: release all pressed keys and buttons */
    EVENT_PAUSE,     /* stop reading the target (recorder behind, moderator away) */
    EVENT_RESUME,
    EVENT_END,  /* leave run() now, politely and quickly */
    EVENT_TEXT, /* somebody new reads session_text(): send one line that needs none before it */
};

struct event {
    enum event_type type;
    uint32_t user; /* the session's number of the person who did it, 0: nobody */
    union {
        struct {
            uint32_t keysym;
            bool pressed;
            uint64_t id;
        } key; /* id: for session_key_echoed() */
        struct {
            int x, y, mask;
            bool move;
        } mouse; /* bits: 1 left 2 middle 4 right 8 wheel up
16 wheel down; move: same buttons as his last one */
        struct {
            int id, x, y, rx, ry;
            double angle, force;
        } touch;
        struct {
            int width, height, dpi;
        } size;
        struct {
            int stream;
        } input; /* the session's own business */
    };
    char name[64]; /* EVENT_ARGV: parameter; EVENT_CLIPBOARD: mimetype */
    char *data;    /* owned by the event, NUL-terminated behind len */
    size_t len;
};
void event_fini(struct event *ev); /* wipes and frees data */

struct backend {
    const char *name;       /* of the protocol */
    size_t state_size;      /* zeroed memory given to every call below */
    unsigned sandbox_needs; /* SANDBOX_NEED_* for stage B */
    /* Those that only some connections have, beside the ones above. May be NULL. */
    unsigned (*needs)(const struct args *args);
    /* Between stage A and A2, still single-threaded: dlopen, open fonts, warm what is lazy. Called
     * before the parameters are known. May be NULL. */
    int (*warm)(void *state, struct err *e);
    /* TCP ports that will be dialled; returns how many (at most max). */
    size_t (*ports)(const struct args *args, uint16_t *out, size_t max);
    /* The same for TCP ports it will listen on. May be NULL: none. */
    size_t (*listens)(const struct args *args, uint16_t *out, size_t max);
    /* Whether it keeps files for the session: then session_storage() has somewhere. May be NULL. */
    bool (*stores)(const struct args *args);
    /* By which name its target's certificate is remembered at the first use; false: not at all.
     * May be NULL. */
    bool (*remembers)(const struct args *args, char *name, size_t size);
    /* Connect, authenticate, announce the picture by session_set_picture(). The session has sent
     * `ready` already, so it may prompt. Fails with the status the user should see. */
    int (*open)(struct session *s, void *state, const struct args *args, struct err *e);
    /* Until the target ends (0), EVENT_END (0) or something breaks (-1 with e). */
    int (*run)(struct session *s, void *state, struct err *e);
    /* Always called once, also after a failed open. */
    void (*close)(struct session *s, void *state);
};

/* ---- for backends -------------------------------------------------------------------------- */

/* Resolve, check, connect, and lock the doors: stage B is in force when this returns 0, before the
 * target's first byte is read. *fd is the caller's. */
int session_dial(struct session *s, const char *host, uint16_t port, int timeout_ms, int *fd,
                 struct err *e);
/* A further connection (files, sound), before the one above: the same address policy, but the doors
 * are still open, so not one byte of it may be read until session_lock() was called. */
int session_dial_beside(struct session *s, const char *host, uint16_t port, int timeout_ms, int *fd,
                        struct err *e);
/* For backends that dial nothing (demo): stage B only. */
int session_lock(struct session *s, struct err *e);

/* Once, of a backend that stores(): an empty file without a name, the caller's, whose bytes are
 * gone when it is closed or the process ends. -1: guacd gave none (the log says why). */
int session_storage(struct session *s);

/* Of a backend that remembers(): the SHA-256 of the certificate that was accepted at the first use
 * (hex, lower case), "" before it; and to say that this one was. From then on it counts. */
const char *session_known(struct session *s);
void session_remember(struct session *s, const char *print);

/* Readable while events wait; poll it beside the target. */
int session_event_fd(struct session *s);
/* Any thread: whether EVENT_END was put, taken or not. For libraries that block while connecting.
 */
bool session_ending(struct session *s);
/* Next event, false when there is none. The caller calls event_fini(). */
bool session_next_event(struct session *s, struct event *ev);

/* Once; the picture stays the backend's and must live until close() has returned. */
void session_set_picture(struct session *s, struct picture *p);
/* The picture changed: cheap, may be called after every change. */
void session_damage(struct session *s);
/* Size the owner's browser asked for at connect (clamped). */
void session_size(struct session *s, int *width, int *height, int *dpi);
/* IANA name, "" if the client sent none. */
const char *session_timezone(struct session *s);

/* Clipboard of the target changed: goes to the owner where policy allows. Copies. */
void session_clipboard(struct session *s, const char *mimetype, const void *data, size_t len);
/* Sound of the target, interleaved samples of 8 bits (unsigned) or 16 (little-endian, signed), to
 * everyone who announced such a type. Any thread; copies. At most AUDIO_MAX bytes a call, more is
 * cut; what nobody has taken yet is bounded, beyond that it is dropped. */
#define AUDIO_MAX 65536
struct audio_format {
    unsigned rate, channels, bits; /* hertz; 1 or 2; 8 or 16 */
};
void session_audio(struct session *s, const struct audio_format *f, const void *data, size_t len);
/* Window or terminal title: `name` instruction and the recording's text. */
void session_title(struct session *s, const char *text);
/* Text shown on the target (UTF-8), for the recording's transcript. Copies; bounded a frame. */
void session_shown(struct session *s, const char *text, size_t len);
/* What the target wrote, byte for byte, for a typescript (stock mode, `typescript-path`). len 0:
 * nothing more comes for the moment. */
void session_typescript(struct session *s, const void *data, size_t len);
/* Structured text channel for our own client: one JSON line (no newline inside), dropped for users
 * who did not announce it. Who joins or fell behind gets nothing until the next
 * session_text_whole(), which EVENT_TEXT asks for: a line that needs none before it. */
void session_text(struct session *s, const char *json_line);
void session_text_whole(struct session *s, const char *json_line);
/* Typed keys just recorded were echoed (true) or not (false): masking of secrets, see
 * evidence 2.11. Counts for the run of keys that the last key taken by session_next_event() belongs
 * to. */
void session_echo(struct session *s, bool visible);
/* The same told exactly: the key with this event's `id` appeared at the cursor. Better, since a
 * password typed ahead of its prompt is not taken for the echo of the command before it. */
void session_key_echoed(struct session *s, uint64_t id);
/* The next keys answer a prompt for a secret: mask them. */
void session_mask_input(struct session *s, bool mask);

/* Ask the owner for parameters (`required`, answered by argv streams) and wait for all of them;
 * serves no other event but END meanwhile. Values are malloced, wiped by the caller
 * (secret_wipe+free). -1: refused by the client's version (< 1.3.0), timed out, or ended. */
int session_ask(struct session *s, const char *const *names, size_t count, char **values,
                struct err *e);
/* A question with its own text, for keyboard-interactive prompts and unknown host keys: shown by
 * our client as the text, by stock clients as the parameter `name`. echo: not a secret. */
int session_ask_text(struct session *s, const char *name, const char *text, bool echo, char **value,
                     struct err *e);
/* As that, with what may be answered: "a, b". Whoever types may still answer anything. */
int session_ask_choice(struct session *s, const char *name, const char *text, const char *choices,
                       char **value, struct err *e);
/* Print words on the picture-less page: "connecting", progress. Our client only. */
void session_state(struct session *s, const char *key, const char *value);

#endif
