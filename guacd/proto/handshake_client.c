/* The handshake as authd sees it: it speaks to our guacd and to stock ones, so it sends by name
 * only what the server's `args` asked for, and says only what the agreed version knows. What comes
 * from the server is a peer's mistake, never the browser's: 0x0203. */
#include "guacd/proto/handshake.h"

#include "guacd/proto/handshake_part.h"
#include "guacd/proto/status.h"

enum state { WAIT_ARGS, WAIT_READY, DONE, FAILED };

int handshake_client_init(struct handshake_client *h, const char *select,
                          const struct handshake_info *info, const struct args *args,
                          struct buf *out) {
    *h = (struct handshake_client){ .info = info, .args = args, .state = WAIT_ARGS };
    buf_init(&h->part, INSTR_BYTES_MAX);
    return select ? instr_put(out, "select", select, NULL) : 0;
}

void handshake_client_fini(struct handshake_client *h) {
    buf_wipe(&h->part);
}

static enum handshake_result bad(struct err *e, const char *why) {
    err_set(e, STATUS_UPSTREAM_ERROR, "guacd: %s", why);
    return HANDSHAKE_BAD;
}

static int put_list(struct buf *out, const char *opcode, const char *first,
                    const struct handshake_list *l) {
    int r = instr_begin(out, opcode);
    if (r == 0 && first)
        r = instr_str(out, first);
    for (size_t i = 0; r == 0 && i < l->count; i++)
        r = instr_str(out, l->items[i]);
    return r == 0 ? instr_end(out) : -1;
}

static int put_info(const struct handshake_client *h, struct buf *out) {
    const struct handshake_info *i = h->info;
    int r = instr_begin(out, "size");
    if (r == 0)
        r = instr_int(out, i->width);
    if (r == 0)
        r = instr_int(out, i->height);
    if (r == 0)
        r = instr_int(out, i->dpi);
    if (r == 0)
        r = instr_end(out);
    if (r == 0)
        r = put_list(out, "audio", NULL, &i->audio);
    if (r == 0)
        r = put_list(out, "video", NULL, &i->video);
    if (r == 0)
        r = put_list(out, "image", NULL, &i->image);
    if (r == 0 && h->version >= HANDSHAKE_1_1_0 && i->timezone[0])
        r = instr_put(out, "timezone", i->timezone, NULL);
    if (r == 0 && h->version >= HANDSHAKE_1_5_0 && i->name[0])
        r = instr_put(out, "name", i->name, NULL);
    if (r == 0 && h->version >= HANDSHAKE_1_1_0 && i->client[0])
        r = put_list(out, "client", i->client, &i->features);
    return r;
}

/* The value that the server calls `name`; "" when we have none. */
static const char *value_of(const struct args *args, struct slice name) {
    char text[HANDSHAKE_ITEM_MAX];
    if (!instr_to_str(name, text, sizeof(text)) ||
        !protocol_arg_find(args_protocol(args), text, NULL) || !args_is_set(args, text))
        return "";
    return args_str(args, text);
}

static int put_connect(const struct handshake_client *h, const struct instr *in, size_t first,
                       struct buf *out, struct err *e) {
    size_t before = out->len;
    int r = instr_begin(out, "connect");
    if (r == 0 && first)
        r = handshake_put_version(out, h->version);
    for (size_t i = first; i < in->argc && r == 0; i++) {
        r = instr_str(out, value_of(h->args, in->argv[i]));
        if (r < 0)
            return err_set(e, STATUS_CLIENT_OVERRUN,
                           "parameter %.*s is longer than %d characters or not UTF-8",
                           (int)MIN_OF(in->argv[i].len, (size_t)64), in->argv[i].data,
                           INSTR_ELEMENT_MAX);
    }
    if (r < 0 || instr_end(out) < 0)
        return err_set(e, STATUS_SERVER_ERROR, "no room for the parameters");
    if (out->len - before > INSTR_BYTES_MAX)
        return err_set(e, STATUS_CLIENT_OVERRUN,
                       "all parameters together need %zu bytes, %d at most", out->len - before,
                       INSTR_BYTES_MAX);
    return 0;
}

static enum handshake_result take_args(struct handshake_client *h, const struct instr *in,
                                       struct buf *out, struct err *e) {
    if (h->state != WAIT_ARGS)
        return bad(e, "args a second time");
    unsigned theirs = HANDSHAKE_1_0_0;
    size_t first = in->argc && handshake_version(in->argv[0], &theirs) ? 1 : 0;
    h->version = MIN_OF(MIN_OF(theirs, h->info->version), HANDSHAKE_1_5_0);
    if (put_info(h, out) < 0) {
        err_set(e, STATUS_SERVER_ERROR, "no room for the handshake");
        return HANDSHAKE_BAD;
    }
    if (put_connect(h, in, first, out, e) < 0)
        return HANDSHAKE_BAD;
    h->state = WAIT_READY;
    return HANDSHAKE_MORE;
}

static enum handshake_result take_ready(struct handshake_client *h, const struct instr *in,
                                        struct err *e) {
    if (h->state != WAIT_READY)
        return bad(e, "ready before args");
    if (in->argc != 1)
        return bad(e, "ready without an id");
    struct slice id = in->argv[0];
    if (id.len && id.data[0] == '$')
        id = (struct slice){ id.data + 1, id.len - 1 };
    for (size_t i = 0; i < id.len; i++)
        if (id.data[i] <= 0x20 || id.data[i] > 0x7E)
            return bad(e, "ready with an id of odd letters");
    if (!id.len || !instr_to_str(id, h->id, sizeof(h->id)))
        return bad(e, "ready with an id that is empty or too long");
    h->state = DONE;
    return HANDSHAKE_CONNECTED;
}

static enum handshake_result take_error(const struct instr *in, struct err *e) {
    char text[ERR_TEXT_MAX] = "";
    int64_t status = STATUS_SERVER_ERROR;
    if (in->argc > 0)
        handshake_name(in->argv[0].data, in->argv[0].len, text, sizeof(text));
    if (in->argc > 1 && !instr_to_int(in->argv[1], 1, 0xFFFF, &status))
        status = STATUS_SERVER_ERROR;
    err_set(e, (int)status, "%s", text[0] ? text : status_name((int)status));
    return HANDSHAKE_BAD;
}

static enum handshake_result dispatch(struct handshake_client *h, const struct instr *in,
                                      struct buf *out, struct err *e) {
    if (slice_is(in->opcode, "args"))
        return take_args(h, in, out, e);
    if (slice_is(in->opcode, "ready"))
        return take_ready(h, in, e);
    if (slice_is(in->opcode, "error"))
        return take_error(in, e);
    if (slice_is(in->opcode, "disconnect"))
        return bad(e, "disconnect instead of ready");
    return HANDSHAKE_MORE;
}

enum handshake_result handshake_client_feed(struct handshake_client *h, const char *data,
                                            size_t len, size_t *used, struct buf *out,
                                            struct err *e) {
    *used = 0;
    if (h->state == FAILED)
        return bad(e, "the handshake has failed");
    while (*used < len && h->state != DONE) {
        struct instr in;
        struct err why = { 0 };
        size_t taken = 0;
        enum instr_result whole = handshake_collect(&h->part, &h->bytes, false, data + *used,
                                                    len - *used, &taken, &in, &why);
        *used += taken;
        if (whole == INSTR_MORE)
            continue;
        enum handshake_result r = whole == INSTR_BAD ? bad(e, why.text) : dispatch(h, &in, out, e);
        buf_clear(&h->part);
        if (r == HANDSHAKE_BAD)
            h->state = FAILED;
        if (r != HANDSHAKE_MORE)
            return r;
    }
    return HANDSHAKE_MORE;
}
