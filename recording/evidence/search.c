/* The database and its questions. */
#include "recording/evidence/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/evidence/search_impl.h"
#include "recording/evidence/search_query.h"

#define VERSION 2
#define NARROW_MAX 1000 /* sessions that are named to the index; of more, some line comes soon */

static const char schema[] =
    "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; PRAGMA temp_store=MEMORY;"
    "PRAGMA trusted_schema=OFF;"
    "CREATE TABLE IF NOT EXISTS sessions(no INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL,"
    " prefix TEXT, namespace TEXT, connection TEXT, protocol TEXT, target TEXT, sub TEXT,"
    " name TEXT, started INTEGER, state TEXT, texts INTEGER NOT NULL DEFAULT 0,"
    " final INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE IF NOT EXISTS lines(id INTEGER PRIMARY KEY, session INTEGER NOT NULL,"
    " t INTEGER, kind TEXT, by TEXT, text TEXT);"
    /* session and kind are words, too: who narrows a common word down walks no list of all its
       lines */
    "CREATE VIRTUAL TABLE IF NOT EXISTS fts USING fts5(text, session, kind, content='lines',"
    " content_rowid='id', tokenize='unicode61 remove_diacritics 2');"
    "PRAGMA user_version=2;";

static int version(sqlite3 *db) {
    sqlite3_stmt *st = NULL;
    int v = -1;
    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        v = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return v;
}

/* NULL: cannot be used as it is. */
static sqlite3 *open_db(const char *path, struct err *e) {
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
    int r = sqlite3_open_v2(path, &db, flags, NULL);
    int v = r == SQLITE_OK ? version(db) : -1;
    if (v == 0 || v == VERSION) {
        char *said = NULL;
        if (sqlite3_exec(db, schema, NULL, NULL, &said) == SQLITE_OK)
            return db;
        err_set(e, 0, "index %s: %s", path, said ? said : "");
        sqlite3_free(said);
    } else {
        err_set(e, 0, "index %s: %s", path, db ? sqlite3_errmsg(db) : "no memory");
    }
    sqlite3_close(db);
    return NULL;
}

struct search *search_new(const char *path, const struct store_target *target, const char *buckets,
                          struct err *e) {
    struct search *s = calloc(1, sizeof *s);
    const bool file = path && *path;
    if (!s) {
        err_set(e, 0, "no memory for the index");
        return NULL;
    }
    s->target = target;
    /* One of its own: walks of ours must not make a list look later. */
    s->tree = tree_new(buckets, store_target_folder(target) != NULL, e);
    pthread_mutex_init(&s->lock, NULL);
    s->db = s->tree ? open_db(file ? path : ":memory:", e) : NULL;
    if (s->tree && !s->db && file) { /* a cache: what cannot be read is made again */
        log_warning("%s; it is made anew", e->text);
        unlink(path);
        *e = (struct err){ 0 };
        s->db = open_db(path, e);
    }
    if (s->db)
        return s;
    search_free(s);
    return NULL;
}

int search_start(struct search *s, struct err *e) {
    s->running = pthread_create(&s->thread, NULL, search_index, s) == 0;
    return s->running ? 0 : err_set(e, 0, "cannot start the index");
}

void search_free(struct search *s) {
    if (!s)
        return;
    s->stop = true;
    if (s->running)
        pthread_join(s->thread, NULL);
    sqlite3_close(s->db);
    tree_free(s->tree);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- questions ------------------------------------------------------------------------------ */

#define OF_SESSIONS \
    "(?3 = '' OR s.sub = ?3 OR instr(lower(s.name), lower(?3)))" \
    " AND (?4 = '' OR s.connection = ?4 OR s.namespace || '/' || s.connection = ?4)" \
    " AND (?5 = '' OR s.protocol = ?5) AND s.started >= ?7 AND (?8 = 0 OR s.started < ?8)"

static const char which[] = "SELECT s.no FROM sessions s WHERE " OF_SESSIONS " LIMIT ?9";

static const char question[] =
    "SELECT l.id, l.t, l.kind, l.by, snippet(fts, 0, char(2), char(3), '\u2026', 24),"
    " s.id, s.prefix, s.namespace, s.connection, s.protocol, s.sub, s.name, s.started, s.state"
    " FROM fts JOIN lines l ON l.id = fts.rowid JOIN sessions s ON s.no = l.session"
    " WHERE fts MATCH ?1 AND fts.rowid < ?2"
    " AND (?6 = '' OR l.kind = ?6) AND " OF_SESSIONS " ORDER BY fts.rowid DESC LIMIT ?9";

static const char *text_at(sqlite3_stmt *st, int column) {
    const char *s = (const char *)sqlite3_column_text(st, column);
    return s ? s : "";
}

static json_t *hit(sqlite3_stmt *st) {
    json_t *o = search_marks(text_at(st, 4));
    json_t *more =
        json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s}, s:I, s:s}", "t",
                  (json_int_t)sqlite3_column_int64(st, 1), "kind", text_at(st, 2), "by",
                  text_at(st, 3), "id", text_at(st, 5), "prefix", text_at(st, 6), "namespace",
                  text_at(st, 7), "connection", text_at(st, 8), "protocol", text_at(st, 9),
                  "person", "sub", text_at(st, 10), "name", text_at(st, 11), "started",
                  (json_int_t)sqlite3_column_int64(st, 12), "state", text_at(st, 13));
    if (more)
        json_object_update(o, more);
    json_decref(more);
    return o;
}

static void bind(sqlite3_stmt *st, const char *query, const json_t *msg, int64_t after, int limit) {
    static const char *const texts[] = { "person", "connection", "protocol", "kind" };
    const json_t *f = json_object_get(msg, "filter");
    sqlite3_bind_text(st, 1, query, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(st, 2, after);
    for (int i = 0; i < (int)ARRAY_LEN(texts); i++)
        sqlite3_bind_text(st, 3 + i, json_str(f, texts[i], ""), -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(st, 7, json_num(f, "from", 0));
    sqlite3_bind_int64(st, 8, json_num(f, "to", 0));
    sqlite3_bind_int(st, 9, limit + 1);
}

static bool of_some(const json_t *msg) {
    static const char *const texts[] = { "person", "connection", "protocol" };
    const json_t *f = json_object_get(msg, "filter");
    bool some = json_num(f, "from", 0) || json_num(f, "to", 0);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        some |= *json_str(f, texts[i], "") != '\0';
    return some;
}

/* The words, and where they may stand: 0 when no session is asked for at all, -1 on failure. */
static int narrow(struct search *s, const char *words, const json_t *msg, struct buf *out) {
    const char *kind = json_str(json_object_get(msg, "filter"), "kind", "");
    sqlite3_stmt *st = NULL;
    size_t count = 0, start;
    buf_printf(out, "text : (%s)", words);
    if (*kind && strspn(kind, "abcdefghijklmnopqrstuvwxyz") == strlen(kind))
        buf_printf(out, " AND kind : %s", kind);
    start = out->len;
    if (!of_some(msg))
        return out->failed ? -1 : 1;
    int r = sqlite3_prepare_v2(s->db, which, -1, &st, NULL);
    if (r == SQLITE_OK) {
        bind(st, "", msg, 0, NARROW_MAX);
        while ((r = sqlite3_step(st)) == SQLITE_ROW && count++ < NARROW_MAX)
            buf_printf(out, "%s%lld", count == 1 ? " AND session : (" : " OR ",
                       (long long)sqlite3_column_int64(st, 0));
    }
    sqlite3_finalize(st);
    if (count > NARROW_MAX)
        out->len = start;
    else if (count)
        buf_puts(out, ")");
    if ((r != SQLITE_DONE && r != SQLITE_ROW) || out->failed)
        return -1;
    return count > 0;
}

/* With the lock held. */
static json_t *ask(struct search *s, const char *query, const json_t *msg, int64_t after, int limit,
                   struct err *e) {
    sqlite3_stmt *st = NULL;
    json_t *hits = json_array();
    char next[24] = "";
    int64_t last = 0;
    int r = sqlite3_prepare_v2(s->db, question, -1, &st, NULL);
    if (r == SQLITE_OK)
        bind(st, query, msg, after, limit);
    while (r == SQLITE_OK && (r = sqlite3_step(st)) == SQLITE_ROW) {
        r = SQLITE_OK;
        if (json_array_size(hits) == (size_t)limit) {
            snprintf(next, sizeof next, "%lld", (long long)last);
            r = SQLITE_DONE;
            break;
        }
        last = sqlite3_column_int64(st, 0);
        json_array_append_new(hits, hit(st));
    }
    sqlite3_finalize(st);
    if (r == SQLITE_DONE)
        return json_pack("{s:o, s:s*, s:{s:I, s:I}}", "hits", hits, "next", *next ? next : NULL,
                         "indexed", "sessions", (json_int_t)s->indexed, "waiting",
                         (json_int_t)s->waiting);
    err_set(e, STATUS_SERVER_ERROR, "search: %s", sqlite3_errmsg(s->db));
    json_decref(hits);
    return NULL;
}

json_t *search_run(struct search *s, const json_t *msg, struct err *e) {
    struct buf query __attribute__((cleanup(buf_fini)));
    struct buf where __attribute__((cleanup(buf_fini)));
    int64_t limit = json_num(msg, "limit", 50);
    const char *after = json_str(msg, "after", "");
    char *end = NULL;
    long long from = *after ? strtoll(after, &end, 10) : INT64_MAX;
    buf_init(&query, 4 * SEARCH_QUERY_MAX);
    buf_init(&where, (size_t)64 << 10);
    if (limit < 1 || limit > SEARCH_LIMIT || from <= 0 || (end && *end)) {
        err_set(e, STATUS_CLIENT_BAD_REQUEST, "search: limit is 1 to %d, after what `next` was",
                SEARCH_LIMIT);
        return NULL;
    }
    if (search_query(json_str(msg, "query", ""), &query, e) < 0)
        return NULL;
    pthread_mutex_lock(&s->lock);
    int some = narrow(s, buf_str(&query), msg, &where);
    json_t *o = some < 0 ? NULL : ask(s, buf_str(&where), msg, some ? from : 0, (int)limit, e);
    if (some < 0)
        err_set(e, STATUS_SERVER_ERROR, "search: %s", sqlite3_errmsg(s->db));
    pthread_mutex_unlock(&s->lock);
    return o;
}
