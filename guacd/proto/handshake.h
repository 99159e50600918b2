/* The Guacamole handshake, both ends, as pure state machines: bytes in, bytes out, no I/O, no
 * clock.
 *
 * Both ends are fed what the socket has (MSG_PEEK or not) and say in *used how many of these bytes
 * belong to the handshake, a half instruction included, which they keep. So the loop is: n = peek,
 * feed, take exactly *used; it neither spins nor takes a byte of what comes after. `out` gets what
 * is to be sent. The bytes hold passwords: the machines wipe what they keep, callers use
 * buf_wipe(). */
#ifndef GUAC_PROTO_HANDSHAKE_H
#define GUAC_PROTO_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "guacd/proto/args.h"
#include "guacd/proto/instr.h"

/* Versions compare as numbers. */
#define HANDSHAKE_1_0_0 0x010000u /* fixed order, no version told */
#define HANDSHAKE_1_1_0 0x010100u /* negotiation, timezone */
#define HANDSHAKE_1_3_0 0x010300u /* required, answered by argv */
#define HANDSHAKE_1_5_0 0x010500u /* msg, name */

#define HANDSHAKE_PIXELS_MAX 8192 /* width and height: 1..8192 */
#define HANDSHAKE_DPI_DEFAULT 96
#define HANDSHAKE_LIST_MAX 16      /* further items are ignored */
#define HANDSHAKE_ITEM_MAX 64      /* bytes of one, NUL included; longer ones are ignored */
#define HANDSHAKE_ID_MAX 64        /* of "$<uuid>" and of protocol names, NUL included */
#define HANDSHAKE_BYTES_MAX 262144 /* of everything one peer may say before it is done */
#define HANDSHAKE_TIMEOUT_MS 15000 /* for callers: the whole handshake */

struct handshake_list {
    size_t count;
    char items[HANDSHAKE_LIST_MAX][HANDSHAKE_ITEM_MAX];
};

/* What a client says about itself. */
struct handshake_info {
    unsigned version; /* server: what was agreed. client: the highest to agree to; 1.5.0 at first */
    int width, height, dpi;      /* clamped; 640, 480, 96 when it said nothing */
    struct handshake_list audio; /* mimetypes as sent, "audio/L16;rate=44100,channels=2" */
    struct handshake_list video;
    struct handshake_list image;       /* stock guacd takes png and jpeg for granted */
    char timezone[HANDSHAKE_ITEM_MAX]; /* IANA name of harmless letters, "" else: never a path */
    char name[256];                    /* a person's name for others to read, UTF-8, no controls */
    char client[HANDSHAKE_ITEM_MAX];   /* opcode `client`: our page's name, "" for stock ones */
    struct handshake_list features;    /* and what it announced */
};

void handshake_info_init(struct handshake_info *i);
/* Is it in the list? Parameters behind ';' of the item are not compared. */
bool handshake_has(const struct handshake_list *l, const char *item);
/* Add an item if it fits: for authd, which fills these lists from the tunnel's query. */
bool handshake_add(struct handshake_list *l, const char *item, size_t len);
/* Clamp what came as text; "abc" gives the fallback. */
int handshake_pixels(const char *text, size_t len, int fallback);
int handshake_dpi(const char *text, size_t len, int fallback);
/* Copies a harmless IANA name; false (out "") otherwise. */
bool handshake_timezone(const char *text, size_t len, char out[HANDSHAKE_ITEM_MAX]);

enum handshake_result {
    HANDSHAKE_MORE,      /* feed again when there is more */
    HANDSHAKE_SELECTED,  /* server: `select` is complete, h->select says what */
    HANDSHAKE_CONNECTED, /* server: info and args are complete; client: `ready` came, h->id */
    HANDSHAKE_BAD,       /* e has the status to tell the peer (server) or the peer's (client) */
};

/* ---- server (guacd-session) ----------------------------------------------------------------- */

struct handshake_server {
    char select[HANDSHAKE_ID_MAX]; /* after SELECTED: a protocol's name, or "$<id>" */
    struct handshake_info info;    /* after CONNECTED */
    struct args *args;             /* after CONNECTED; steal_ptr() it */
    char skipped[256];             /* stock mode: parameters whose value was not understood and
                                      fell to the default, by name; worth one warning */
    /* private */
    bool gateway;
    int state;
    const struct protocol *protocol;
    size_t bytes;
    struct buf part;
};

/* gateway: lengths count code points and nothing else, rows marked ARG_GATEWAY count, ARG_LOCAL
 * ones are refused, every value must be right. Otherwise gateway rows are ignored and a number or
 * choice that makes no sense means the default, as in stock guacd; booleans must be right in both,
 * since they grant things. */
void handshake_server_init(struct handshake_server *h, bool gateway);
void handshake_server_fini(struct handshake_server *h); /* wipes */
/* Returns at the first event; *used counts up to and with the instruction that made it. After
 * SELECTED nothing more is taken until handshake_server_args(). */
enum handshake_result handshake_server_feed(struct handshake_server *h, const char *data,
                                            size_t len, size_t *used, struct err *e);
/* Append the `args` reply of p and go on. After SELECTED, or at once after init for a descriptor
 * that came by `join` (its `select` was read elsewhere). -1 when `out` is full. */
int handshake_server_args(struct handshake_server *h, const struct protocol *p, struct buf *out);

/* `ready,$<id>`: id as in the socket's name, without the `$`. */
int handshake_put_ready(struct buf *out, const char *id);
/* `error,<text>,<status>` then `disconnect`, any state, any program. What is not printable ASCII in
 * the text becomes '?', since stock clients disagree on how to count it. */
int handshake_put_error(struct buf *out, int status, const char *text);

/* ---- client (guac-authd) -------------------------------------------------------------------- */

struct handshake_client {
    char id[HANDSHAKE_ID_MAX]; /* after CONNECTED: without the `$` */
    unsigned version;          /* after CONNECTED: what was agreed */
    /* private */
    const struct handshake_info *info;
    const struct args *args;
    int state;
    size_t bytes;
    struct buf part;
};

/* info and args must live until CONNECTED or BAD. select: a protocol's name, "$<id>", or NULL when
 * the descriptor was given to a session by `join`. Appends to `out` what opens the conversation. */
int handshake_client_init(struct handshake_client *h, const char *select,
                          const struct handshake_info *info, const struct args *args,
                          struct buf *out);
void handshake_client_fini(struct handshake_client *h); /* wipes */
/* Values are matched to the server's `args` by name; rows not set are sent empty. `error` becomes e
 * with its status and its text. A value that no instruction can carry is BAD, too. */
enum handshake_result handshake_client_feed(struct handshake_client *h, const char *data,
                                            size_t len, size_t *used, struct buf *out,
                                            struct err *e);

#endif
