/* One connection between two replicas' proxies: a ticket in plain (sealed by an authd), TLS on the
 * key that belongs to it, one message each way, then a session's stream. The loop's thread.
 *
 *   asking side                        holding side
 *   u16 length, ticket          ──▶    on_ticket: authd opens it and knows the key
 *   TLS 1.3, that key           ◀─▶
 *   u32 length, JSON request    ──▶    on_message
 *   on_message                  ◀──    u32 length, JSON answer
 *   the session's stream        ◀─▶    (answers with a descriptor only)
 *
 * Lengths are little-endian. */
#ifndef GUAC_PROXY_CHANNEL_H
#define GUAC_PROXY_CHANNEL_H

#include <jansson.h>
#include <uv.h>

#include "guacd/base/err.h"
#include "proxy/proxy/secure.h"

#define CHANNEL_TICKET_MAX 3072
#define CHANNEL_MESSAGE_MAX 262144
#define CHANNEL_DEADLINE_MS 15000 /* until the stream begins, or the answer is out */

struct channel;

struct channel_events {
    /* Holding side. ticket: its text. Answer by channel_admit() or channel_close(), soon. */
    void (*on_ticket)(void *arg, const char *ticket);
    /* The one message of the other side; borrowed. */
    void (*on_message)(void *arg, const json_t *message);
    /* It is over, and so is the pointer; the last call. Never from channel_accept() or _open(). */
    void (*on_gone)(void *arg, const char *why);
};

/* Takes a connected socket that asked to come in. NULL: out of memory, fd is closed. */
struct channel *channel_accept(uv_loop_t *loop, int fd, const struct channel_events *ev, void *arg);
/* address: "10.0.0.7:8082" or "[fd00::7]:8082", no names. Sends `message`. NULL with e. */
struct channel *channel_open(uv_loop_t *loop, const char *address, const char *ticket,
                             const unsigned char key[SECURE_KEY_LEN], const json_t *message,
                             const struct channel_events *ev, void *arg, struct err *e);
/* After on_ticket. */
void channel_admit(struct channel *c, const unsigned char key[SECURE_KEY_LEN]);
/* The answer; fd >= 0 (taken): the stream that follows it. Without, it ends once that is out. */
void channel_answer(struct channel *c, const json_t *answer, int fd);
/* In or after on_message of the asking side: the stream goes to and from fd (taken). */
void channel_stream(struct channel *c, int fd);
/* Ends it without on_gone. NULL is fine. */
void channel_close(struct channel *c);

/* Pure. Is what stands in front of `data` whole: a little-endian length of `width` bytes (1 to 4)
 * and as many bytes as it says? 1: *len of them follow the length; 0: more is needed; -1: it says
 * none, or more than max. */
int channel_whole(const void *data, size_t have, unsigned width, size_t max, size_t *len);
/* Pure: "address:port" in numbers. */
int channel_address(const char *text, struct sockaddr_storage *out, struct err *e);

#endif
