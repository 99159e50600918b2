/* Whatever is typed is an expression that FTS5 takes, or is refused by us in words; and marks come
 * out of any text. */
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "recording/evidence/search_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sqlite3_stmt *prepare(void) {
    static sqlite3 *db;
    sqlite3_stmt *st = NULL;
    if (!db && (sqlite3_open(":memory:", &db) != SQLITE_OK ||
                sqlite3_exec(db, "CREATE VIRTUAL TABLE fts USING fts5(text, session, kind)", NULL,
                             NULL, NULL)))
        abort();
    if (sqlite3_prepare_v2(db, "SELECT rowid FROM fts WHERE fts MATCH ?1", -1, &st, NULL))
        abort();
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    struct buf out, where;
    struct err e = { 0 };
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    buf_init(&out, 4 * SEARCH_QUERY_MAX);
    buf_init(&where, 5 * SEARCH_QUERY_MAX);
    if (search_query(text, &out, &e) == 0) {
        sqlite3_stmt *st = prepare();
        /* as search.c narrows it down */
        buf_printf(&where, "text : (%s) AND kind : key AND session : (1 OR 2)", buf_str(&out));
        sqlite3_bind_text(st, 1, buf_str(&where), -1, SQLITE_TRANSIENT);
        int r = sqlite3_step(st);
        if (r != SQLITE_DONE && r != SQLITE_ROW)
            abort();
        sqlite3_finalize(st);
    } else if (!*e.text) {
        abort();
    }
    if (utf8_count(text, strlen(text)) >= 0)
        json_decref(search_marks(text));
    buf_fini(&out);
    buf_fini(&where);
    free(text);
    return 0;
}
