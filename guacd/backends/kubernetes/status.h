/* What an API server says of itself in JSON: its Status (refusals, and how a command ended), and
 * what of a pod decides where a terminal goes. Pure: bytes in, values out. */
#ifndef GUAC_BACKENDS_KUBERNETES_STATUS_H
#define GUAC_BACKENDS_KUBERNETES_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

/* meta/v1 Status. */
struct kstatus {
    bool success;
    int code; /* HTTP, 0: not said */
    int exit; /* of the command, -1: not said */
    char reason[64];
    char message[1024]; /* one line */
};

/* false: it is none. */
bool kstatus_parse(const char *json, size_t len, struct kstatus *out);

/* What was asked, for the sentences below. Any may be "". */
struct kwhere {
    const char *namespace, *pod, *container, *verb; /* verb: exec, attach, … for advice */
    const char *command;                            /* its first word */
};

/* A refusal (HTTP status and body: a Status, or the words of whoever else answered) as status and
 * sentence. Always -1. */
int kstatus_refusal(int http, const char *body, size_t len, const struct kwhere *w, struct err *e);
/* How the command ended: true with one sentence in text when it ran; false with e when it was never
 * started. */
bool kstatus_ended(const struct kstatus *st, const struct kwhere *w, char *text, size_t size,
                   struct err *e);

#define KPOD_CONTAINERS_MAX 32
#define KNAME_MAX 254

struct kcontainer {
    char name[64];
    bool tty, stdin_open;
    bool running;
    int restarts;
    char why[64]; /* when it does not run: "CrashLoopBackOff", "OOMKilled", … */
    int exit;     /* of the last end, -1: none */
};

struct kpod {
    char name[KNAME_MAX], phase[32], chosen[64]; /* chosen: by the annotation default-container */
    char created[32];                            /* RFC 3339, so that text sorts */
    bool ready, ending;
    struct kcontainer containers[KPOD_CONTAINERS_MAX];
    size_t count;
};

bool kpod_parse(const char *json, size_t len, struct kpod *out);
const struct kcontainer *kpod_container(const struct kpod *p, const char *name);
/* "main, tty" */
void kpod_names(const struct kpod *p, char *out, size_t size);
/* The newest ready one of a PodList; false: there is none, and why says what there is ("no pod",
 * "shop-1 is Pending, …"). */
bool kpods_choose(const char *json, size_t len, struct kpod *out, char *why, size_t size);

/* The selector of a Deployment or StatefulSet as a labelSelector: "app=shop,tier in (a,b)". */
bool kselector_parse(const char *json, size_t len, struct buf *out);

/* The command line cut into words as a shell does (quotes and backslashes, nothing else); each ends
 * in a NUL. -1 with e: a quote is not closed. Returns how many words. */
int kwords(const char *line, struct buf *out, struct err *e);

#endif
