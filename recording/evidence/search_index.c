/* Filling the index: sealed sessions once, live ones as far as they are stored, the oldest first,
 * so that later rows are later sessions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "recording/chunk.h"
#include "recording/evidence/reading.h"
#include "recording/evidence/search_impl.h"

#define PASS_MS 3000
#define LINE_MAX_BYTES 16384u
#define PAGE 256
#define OBJECTS_AT_ONCE 64 /* in a transaction: not long, for a crash loses it */

struct known {
    int64_t no;
    uint32_t texts;
    bool final;
};

struct filler {
    struct search *s;
    struct store *store;
    struct chunk_codec *codec;
    struct buf object, raw, clean;
    sqlite3_stmt *line, *words; /* of add_line() */
    unsigned pending;           /* objects in a transaction that is open */
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* NULL: nobody looks */
    void *arg;
    struct err err;
};

static int run(struct search *s, const char *sql) {
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static struct known known(struct search *s, const char *id) {
    struct known k = { 0 };
    sqlite3_stmt *st = NULL;
    pthread_mutex_lock(&s->lock);
    if (sqlite3_prepare_v2(s->db, "SELECT no, texts, final FROM sessions WHERE id = ?1", -1, &st,
                           NULL) == SQLITE_OK) {
        sqlite3_bind_text(st, 1, id, -1, SQLITE_TRANSIENT);
        if (sqlite3_step(st) == SQLITE_ROW)
            k = (struct known){ .no = sqlite3_column_int64(st, 0),
                                .texts = (uint32_t)sqlite3_column_int64(st, 1),
                                .final = sqlite3_column_int(st, 2) };
    }
    sqlite3_finalize(st);
    pthread_mutex_unlock(&s->lock);
    return k;
}

/* What is read here sees an open transaction; one for many objects makes a rebuild twice as quick.
 * Both with the lock held. */
static int begin(struct filler *f) {
    if (f->pending++ == 0)
        return run(f->s, "BEGIN");
    return 0;
}

static void commit(struct filler *f) {
    if (f->pending)
        run(f->s, "COMMIT");
    f->pending = 0;
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* Control characters are no words, and two of them are our marks. */
static const char *clean(struct filler *f, const char *text) {
    buf_clear(&f->clean);
    for (; *text && f->clean.len < LINE_MAX_BYTES; text++)
        buf_putc(&f->clean, (unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text);
    while (f->clean.len && utf8_count(f->clean.data, f->clean.len) < 0)
        f->clean.len--; /* cut within a character */
    return buf_str(&f->clean);
}

static int add_line(struct filler *f, int64_t no, int64_t t, const char *kind, const char *by,
                    const char *text) {
    const char *plain = clean(f, text);
    if (strspn(plain, " ") == strlen(plain))
        return 0;
    sqlite3_bind_int64(f->line, 1, no);
    sqlite3_bind_int64(f->line, 2, t);
    sqlite3_bind_text(f->line, 3, kind, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(f->line, 4, by, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(f->line, 5, plain, -1, SQLITE_TRANSIENT);
    int r = sqlite3_step(f->line);
    sqlite3_reset(f->line);
    if (r == SQLITE_DONE) {
        sqlite3_bind_text(f->words, 1, plain, -1, SQLITE_TRANSIENT);
        sqlite3_bind_int64(f->words, 2, no);
        sqlite3_bind_text(f->words, 3, kind, -1, SQLITE_TRANSIENT);
        r = sqlite3_step(f->words);
        sqlite3_reset(f->words);
    }
    return r == SQLITE_DONE ? 0 : err_set(&f->err, 0, "index: %s", sqlite3_errmsg(f->s->db));
}

static int add_text(struct filler *f, int64_t no, const char *text, size_t len) {
    for (const char *p = text, *end = text + len; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t n = newline ? (size_t)(newline - p) : (size_t)(end - p);
        _json_ json_t *o = json_parse(p, n, (size_t)20 << 20, NULL);
        const char *s = json_str(o, "s", json_str(o, "name", NULL));
        if (!s)
            s = json_str(o, "reason", json_str(o, "event", ""));
        if (o && add_line(f, no, json_num(o, "t", 0), json_str(o, "k", "out"),
                          json_str(o, "by", ""), s) < 0)
            return -1;
        p += n + 1;
    }
    return 0;
}

/* ---- sessions ------------------------------------------------------------------------------- */

/* Who, where, what: found by words, too. */
static int64_t add_session(struct filler *f, const char *id, const struct reading *r) {
    static const char sql[] =
        "INSERT INTO sessions(id, prefix, namespace, connection, protocol, target, sub, name,"
        " started) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    const struct open_record *o = &r->open;
    const char *const texts[] = { id,          r->prefix, o->namespace, o->connection,
                                  o->protocol, o->target, o->sub,       o->person_name };
    char all[2048];
    sqlite3_stmt *st = NULL;
    int done = sqlite3_prepare_v2(f->s->db, sql, -1, &st, NULL);
    for (int i = 0; done == SQLITE_OK && i < (int)ARRAY_LEN(texts); i++)
        sqlite3_bind_text(st, 1 + i, texts[i], -1, SQLITE_TRANSIENT);
    if (done == SQLITE_OK) {
        sqlite3_bind_int64(st, 9, o->start);
        done = sqlite3_step(st);
    }
    sqlite3_finalize(st);
    if (done != SQLITE_DONE)
        return err_set(&f->err, 0, "index: %s", sqlite3_errmsg(f->s->db));
    int64_t no = sqlite3_last_insert_rowid(f->s->db);
    snprintf(all, sizeof all, "%s/%s %s %s %s %s", o->namespace, o->connection, o->target,
             o->person_name, o->sub, o->protocol);
    return add_line(f, no, 0, "session", o->sub, all) < 0 ? -1 : no;
}

static int finish(struct filler *f, int64_t no, uint32_t texts, const struct reading *r,
                  bool final) {
    static const char sql[] =
        "UPDATE sessions SET texts = ?2, final = ?3, state = ?4 WHERE no = ?1";
    sqlite3_stmt *st = NULL;
    int done = sqlite3_prepare_v2(f->s->db, sql, -1, &st, NULL);
    if (done == SQLITE_OK) {
        sqlite3_bind_int64(st, 1, no);
        sqlite3_bind_int64(st, 2, texts);
        sqlite3_bind_int(st, 3, final);
        sqlite3_bind_text(st, 4, r->seal_envelope.statement ? r->seal.state : "live", -1,
                          SQLITE_TRANSIENT);
        done = sqlite3_step(st);
    }
    sqlite3_finalize(st);
    return done == SQLITE_DONE ? 0 : err_set(&f->err, 0, "index: %s", sqlite3_errmsg(f->s->db));
}

static int add_object(struct filler *f, struct reading *r, const char *name, int64_t no) {
    struct chunk c;
    buf_clear(&f->raw);
    if (reading_get(r, name, NULL, &f->object, &f->err) != STORE_OK)
        return -1;
    if (chunk_parse(f->object.data ? f->object.data : "", f->object.len, &c, &f->err) < 0 ||
        chunk_expand(f->codec, &c, &f->raw, &f->err) < 0)
        return 0; /* a damaged one is verify's to tell; it must not stop the rest */
    pthread_mutex_lock(&f->s->lock);
    int result = begin(f) < 0 || run(f->s, "SAVEPOINT object") < 0
                     ? -1
                     : add_text(f, no, f->raw.data, f->raw.len);
    if (result < 0)
        run(f->s, "ROLLBACK TO object");
    run(f->s, "RELEASE object");
    pthread_mutex_unlock(&f->s->lock);
    return result;
}

static int index_one(struct filler *f, const char *id, const char *prefix) {
    struct reading r = { 0 };
    struct known k = known(f->s, id);
    if (k.final)
        return 1;
    if (reading_init(&r, f->store, prefix, &f->err) < 0)
        return -1;
    bool final = r.seal_envelope.there;
    if (!r.open_envelope.statement) {
        reading_fini(&r);
        return 0;
    }
    int result = 0;
    pthread_mutex_lock(&f->s->lock);
    if (!k.no && (k.no = add_session(f, id, &r)) < 0)
        result = -1;
    pthread_mutex_unlock(&f->s->lock);
    for (size_t i = 0; result == 0 && i < r.count; i++) {
        const struct reading_object *o = &r.objects[i];
        if (!o->known || o->as.kind != NAME_CHUNK || o->as.chain != CHAIN_TEXT || o->as.n < k.texts)
            continue;
        result = add_object(f, &r, o->name, k.no);
        k.texts = o->as.n + 1;
        pthread_mutex_lock(&f->s->lock);
        if (result == 0)
            result = finish(f, k.no, k.texts, &r, false);
        pthread_mutex_unlock(&f->s->lock);
    }
    pthread_mutex_lock(&f->s->lock);
    if (result == 0)
        result = finish(f, k.no, k.texts, &r, final);
    if (result < 0 || f->pending >= OBJECTS_AT_ONCE)
        commit(f);
    pthread_mutex_unlock(&f->s->lock);
    reading_fini(&r);
    return result < 0 ? -1 : final;
}

/* ---- passes --------------------------------------------------------------------------------- */

struct todo {
    char (*ids)[UUID_LEN + 1];
    char (*prefixes)[NAME_PREFIX_SIZE];
    size_t count;
};

static int gather(struct search *s, struct todo *t) {
    struct tree_entry page[PAGE];
    struct tree_filter none = { 0 };
    char after[UUID_LEN + 1] = "";
    size_t cap = tree_count(s->tree) + 1;
    t->ids = calloc(cap, sizeof *t->ids);
    t->prefixes = calloc(cap, sizeof *t->prefixes);
    uint64_t finals = 0;
    for (size_t n = PAGE; t->ids && t->prefixes && n == PAGE && !s->stop;) {
        n = tree_page(s->tree, after, &none, page, PAGE);
        for (size_t i = 0; i < n; i++) {
            memcpy(after, page[i].id, sizeof after);
            free(page[i].summary);
            bool done = known(s, page[i].id).final;
            finals += done;
            if (done || t->count == cap)
                continue;
            memcpy(t->ids[t->count], page[i].id, sizeof *t->ids);
            memcpy(t->prefixes[t->count++], page[i].prefix, sizeof *t->prefixes);
        }
    }
    s->indexed = finals;
    s->waiting = t->count;
    return t->ids && t->prefixes ? 0 : -1;
}

/* Each session that is not whole yet; f->err tells why it ended early. */
static void pass(struct filler *f) {
    struct todo t = { 0 };
    f->err = (struct err){ 0 };
    if (tree_refresh(f->s->tree, f->store, false, &f->err) == 0 && gather(f->s, &t) == 0)
        for (size_t i = t.count; i-- > 0 && !f->s->stop;) {
            int r = index_one(f, t.ids[i], t.prefixes[i]);
            if (r < 0)
                break;
            f->s->indexed += r;
            f->s->waiting -= f->s->waiting > 0;
            if (f->progress)
                f->progress(f->arg, t.count - i, t.count);
        }
    pthread_mutex_lock(&f->s->lock);
    commit(f);
    pthread_mutex_unlock(&f->s->lock);
    free(t.ids);
    free(t.prefixes);
}

static int filler_init(struct filler *f) {
    static const char line[] =
        "INSERT INTO lines(session, t, kind, by, text) VALUES(?1, ?2, ?3, ?4, ?5)";
    static const char words[] =
        "INSERT INTO fts(rowid, text, session, kind) VALUES(last_insert_rowid(), ?1, ?2, ?3)";
    sqlite3 *db = f->s->db;
    buf_init(&f->object, CHUNK_MAX);
    buf_init(&f->raw, CHUNK_RAW_MAX);
    buf_init(&f->clean, LINE_MAX_BYTES + 8);
    if (sqlite3_prepare_v2(db, line, -1, &f->line, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, words, -1, &f->words, NULL) != SQLITE_OK)
        return err_set(&f->err, 0, "index: %s", sqlite3_errmsg(db));
    f->store = store_new(f->s->target, &f->err);
    f->codec = f->store ? chunk_codec_new(1, &f->err) : NULL;
    return f->codec ? 0 : -1;
}

static void filler_fini(struct filler *f) {
    sqlite3_finalize(f->line);
    sqlite3_finalize(f->words);
    chunk_codec_free(f->codec);
    store_free(f->store);
    buf_fini(&f->object);
    buf_fini(&f->raw);
    buf_fini(&f->clean);
}

void *search_index(void *arg) {
    struct search *s = arg;
    struct filler f = { .s = s };
    if (filler_init(&f) < 0)
        log_error("there is no search: %s", f.err.text);
    while (f.codec && !s->stop) {
        pass(&f);
        if (*f.err.text)
            log_debug("index: %s", f.err.text);
        for (int ms = 0; ms < PASS_MS && !s->stop; ms += 50)
            usleep(50000);
    }
    filler_fini(&f);
    return NULL;
}

int search_fill(struct search *s, void (*progress)(void *arg, uint64_t done, uint64_t total),
                void *arg, struct err *e) {
    struct filler f = { .s = s, .progress = progress, .arg = arg };
    if (filler_init(&f) == 0)
        pass(&f);
    filler_fini(&f);
    if (!*f.err.text)
        return 0;
    *e = f.err;
    return -1;
}
