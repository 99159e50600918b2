/* An object "sub\nnamespace/name" -> time, emptied when it is full. */
#include "proxy/authd/used.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define USED_MAX 50000

struct used {
    pthread_mutex_t lock;
    json_t *times;
};

struct used *used_new(void) {
    struct used *u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    pthread_mutex_init(&u->lock, NULL);
    u->times = json_object();
    return u;
}

void used_free(struct used *u) {
    if (!u)
        return;
    pthread_mutex_destroy(&u->lock);
    json_decref(u->times);
    free(u);
}

static void key_of(const char *sub, const char *connection, char *out, size_t size) {
    snprintf(out, size, "%s\n%s", sub, connection);
}

void used_note(struct used *u, const char *sub, const char *connection, int64_t at_ms) {
    char key[700];
    key_of(sub, connection, key, sizeof key);
    pthread_mutex_lock(&u->lock);
    if (json_object_size(u->times) >= USED_MAX)
        json_object_clear(u->times);
    json_object_set_new(u->times, key, json_integer((json_int_t)at_ms));
    pthread_mutex_unlock(&u->lock);
}

int64_t used_last(struct used *u, const char *sub, const char *connection) {
    char key[700];
    key_of(sub, connection, key, sizeof key);
    pthread_mutex_lock(&u->lock);
    int64_t at = json_integer_value(json_object_get(u->times, key));
    pthread_mutex_unlock(&u->lock);
    return at;
}
