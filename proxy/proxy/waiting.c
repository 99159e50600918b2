/* See waiting.h. Slots are looked at in a row from the address's hash, as many as there are: a slot
 * keeps its place while it counts anything, so its number is the ticket. */
#include "proxy/proxy/waiting.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/dial.h"
#include "guacd/base/enc.h"

struct slot {
    unsigned char address[8]; /* an IPv6 prefix, or ::ffff and IPv4's four bytes */
    bool four;
    long count; /* 0: free */
};

struct waiting {
    long most;
    const char *trusted;
    size_t total;
    struct slot slots[WAITING_ADDRESSES];
};

struct waiting *waiting_new(long most, const char *trusted) {
    struct waiting *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->most = most;
    w->trusted = trusted;
    return w;
}

void waiting_free(struct waiting *w) {
    free(w);
}

/* What is counted: false where sa is no IP address. text: the whole address, for the list. */
static bool key_of(const struct sockaddr *sa, struct slot *out, char text[INET6_ADDRSTRLEN]) {
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    const unsigned char *four = NULL, *six = NULL;
    *out = (struct slot){ 0 };
    if (sa->sa_family == AF_INET)
        four = (const unsigned char *)&((const struct sockaddr_in *)sa)->sin_addr;
    else if (sa->sa_family == AF_INET6)
        six = (const unsigned char *)&((const struct sockaddr_in6 *)sa)->sin6_addr;
    if (six && memcmp(six, mapped, sizeof mapped) == 0) /* a listener for both */
        four = six + sizeof mapped;
    if (!four && !six)
        return false;
    out->four = four != NULL;
    memcpy(out->address, four ? four : six, four ? 4 : sizeof out->address);
    return inet_ntop(four ? AF_INET : AF_INET6, four ? four : six, text, INET6_ADDRSTRLEN) != NULL;
}

static bool same(const struct slot *x, const struct slot *y) {
    return x->four == y->four && memcmp(x->address, y->address, sizeof x->address) == 0;
}

static size_t hash(const struct slot *s) {
    size_t h = s->four;
    for (size_t i = 0; i < sizeof s->address; i++)
        h = (h ^ s->address[i]) * 0x01000193u; /* FNV-1; what collides is found all the same */
    return h % WAITING_ADDRESSES;
}

/* Its slot, or the first free one of its row; NULL: all are taken. Slots are freed in between, so
 * that the row is looked through to its end. */
static struct slot *find(struct waiting *w, const struct slot *key) {
    struct slot *free_one = NULL;
    for (size_t i = 0, at = hash(key); i < WAITING_ADDRESSES; i++) {
        struct slot *s = &w->slots[(at + i) % WAITING_ADDRESSES];
        if (s->count > 0 && same(s, key))
            return s;
        if (s->count == 0 && !free_one)
            free_one = s;
    }
    return free_one;
}

bool waiting_enter(struct waiting *w, const struct sockaddr *sa, size_t *ticket) {
    struct slot key;
    char text[INET6_ADDRSTRLEN];
    *ticket = 0;
    if (!key_of(sa, &key, text) || (w->trusted && dial_listed(w->trusted, text)))
        return true;
    struct slot *s = find(w, &key);
    if (!s || s->count >= w->most)
        return false;
    key.count = s->count + 1;
    *s = key;
    w->total++;
    *ticket = (size_t)(s - w->slots) + 1;
    return true;
}

void waiting_leave(struct waiting *w, size_t ticket) {
    if (ticket == 0 || ticket > WAITING_ADDRESSES || w->slots[ticket - 1].count == 0)
        return;
    w->slots[ticket - 1].count--;
    w->total--;
}

size_t waiting_count(const struct waiting *w) {
    return w->total;
}
