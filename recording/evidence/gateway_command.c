/* guac-evidence hold, keys rotate, keys compromise: what the gateway has to say, in its log. A
 * running authd signs it, which asks for its own user or root; the store is only looked at. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/dsse.h"
#include "recording/evidence/evidence.h"
#include "recording/evidence/find.h"
#include "recording/evidence/print.h"
#include "recording/leaf.h"
#include "recording/name.h"

#define ASK_MS 90000 /* a hold touches every object of a recording */

/* Takes msg. authd's answer, or NULL. */
static json_t *ask(const struct evidence *v, json_t *msg, struct err *e) {
    char path[400];
    const struct passwd *me = getpwuid(geteuid());
    _json_ json_t *held = msg;
    snprintf(path, sizeof path, "%.300s/authd.sock", v->config->run);
    _close_ int sock = ctl_connect(path, e);
    if (sock < 0 || !held) {
        err_prefix(e, "authd is asked for this, by its own user or root (--run)");
        return NULL;
    }
    json_object_set_new(held, "rid", json_integer(1));
    json_object_set_new(held, "name", json_string(me ? me->pw_name : ""));
    return ctl_call(sock, held, NULL, 0, NULL, NULL, ASK_MS, e);
}

static int tell(const struct evidence *v, json_t *answer, const char *text, struct err *e) {
    _json_ json_t *held = answer;
    if (!held)
        return 2;
    json_object_del(held, "ok");
    json_object_del(held, "rid");
    if (v->config->json)
        return print_json(held, e) < 0 ? 2 : 0;
    printf("%s; leaf %lld of the log\n", text, (long long)json_num(held, "index", -1));
    return 0;
}

/* The words behind each other. */
static void join(char *out, size_t room, char **words, size_t count) {
    size_t at = 0;
    *out = '\0';
    for (size_t i = 0; i < count && at < room; i++)
        at += (size_t)snprintf(out + at, room - at, "%s%s", i ? " " : "", words[i]);
}

int command_hold(struct evidence *v, char **words, size_t count, struct err *e) {
    struct found f;
    char reason[512], text[64];
    bool on = count > 1 && strcmp(words[1], "on") == 0;
    if (count < 2 || (!on && strcmp(words[1], "off") != 0)) {
        err_set(e, 0, "hold: a recording, on or off, and why");
        return 2;
    }
    if (find_recording(words[0], v->store, v->tree, &f, e) < 0)
        return 2;
    join(reason, sizeof reason, words + 2, count - 2);
    const char *slash = strrchr(f.prefix, '/');
    json_t *answer = NULL;
    if (f.target || !slash)
        err_set(e, 0, "%s: a hold is set in a store", words[0]);
    else
        answer = ask(v,
                     json_pack("{s:s, s:s, s:s, s:b, s:s}", "op", "hold", "id", slash + 1, "prefix",
                               f.prefix, "on", on, "reason", reason),
                     e);
    found_fini(&f);
    snprintf(text, sizeof text, "%lld objects %s", (long long)json_num(answer, "objects", 0),
             on ? "held" : "not held any more");
    return tell(v, answer, text, e);
}

/* ---- keys ----------------------------------------------------------------------------------- */

/* The envelope that authd signed says what was asked for; the new key's signature joins it. */
static json_t *sign_too(const json_t *envelope, const struct sign_key *k, struct err *e) {
    struct dsse d = { 0 };
    struct leaf_said said;
    _json_ json_t *o = dsse_read(envelope, &d, e) == 0 ? dsse_statement(&d, e) : NULL;
    const bool good =
        o && leaf_said(o, &said, e) == 0 && said.kind == LEAF_KEY &&
        strcmp(json_str(json_object_get(said.detail, "new"), "keyid", ""), sign_key_id(k)) == 0;
    dsse_fini(&d);
    if (!good) {
        err_set(e, 0, "authd signed something else than was asked for");
        return NULL;
    }
    _json_ json_t *own = dsse_sign(o, k, e);
    json_t *both = own ? json_deep_copy(envelope) : NULL;
    if (!both)
        return NULL;
    if (strcmp(json_str(own, "payload", ""), json_str(both, "payload", "-")) != 0) {
        json_decref(both);
        err_set(e, 0, "authd wrote the statement in another spelling");
        return NULL;
    }
    json_array_extend(json_object_get(both, "signatures"), json_object_get(own, "signatures"));
    return both;
}

static int rotate(struct evidence *v, const char *path, struct err *e) {
    char text[160];
    _sign_key_ struct sign_key *k = sign_key_read_private(path, e);
    if (!k)
        return 2;
    _json_ json_t *first =
        ask(v, json_pack("{s:s, s:s}", "op", "key", "publicKey", sign_key_public_base64(k)), e);
    json_t *both = first ? sign_too(json_object_get(first, "envelope"), k, e) : NULL;
    json_t *answer =
        both ? ask(v, json_pack("{s:s, s:o}", "op", "key", "envelope", both), e) : NULL;
    snprintf(text, sizeof text,
             "handed over to key %s: make it authd's gateway-key, and restart it", sign_key_id(k));
    return tell(v, answer, text, e);
}

static int compromise(struct evidence *v, const char *id, const char *when, struct err *e) {
    uint64_t since = 0;
    char text[160];
    if (evidence_time(when, "since", &since, e) < 0)
        return 2;
    snprintf(text, sizeof text, "key %.64s is worth nothing from here on", id);
    return tell(v,
                ask(v,
                    json_pack("{s:s, s:s, s:I}", "op", "compromise", "keyid", id, "since",
                              (json_int_t)since),
                    e),
                text, e);
}

int gateway_keys(struct evidence *v, char **words, size_t count, struct err *e) {
    if (strcmp(words[0], "rotate") == 0 && count == 2)
        return rotate(v, words[1], e);
    if (strcmp(words[0], "compromise") == 0 && (count == 2 || count == 3))
        return compromise(v, words[1], count == 3 ? words[2] : NULL, e);
    err_set(e, 0,
            "keys; keys rotate FILE (the new private key); keys compromise FINGERPRINT "
            "[SINCE]");
    return 2;
}
