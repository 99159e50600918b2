/* Everything recorded is escaped; there is nothing to run and nothing to load. */
#include "recording/evidence/report.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/evidence/derive.h"
#include "recording/file.h"

#define ROW_MAX ((size_t)1 << 20)

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
    "'unsafe-inline'\"><title>Recorded sessions</title><style>body{font:15px/1.5 "
    "sans-serif;margin:2em;max-width:80em}table{border-collapse:collapse}td,th{border:1px solid "
    "#999;padding:.3em .6em;text-align:left;vertical-align:top}code{word-break:break-all}"
    "</style></head><body>\n<h1>Recorded sessions</h1>\n";

static const char how[] =
    "<h2>How to verify this bag</h2>\n<p>Run <code>./verify.sh -k FINGERPRINT -a ANCHOR</code>. It "
    "needs sha256sum, openssl 3 and jq, and nothing of the vendor's. FINGERPRINT is the gateway "
    "key's, told to you by another way than this bag; ANCHOR is an earlier checkpoint that you "
    "kept. "
    "It exits 0 when all is proved, 1 when something is broken (and says what), 3 when the bag is "
    "consistent in itself but measured by nothing from outside. The report you read, and "
    "everything "
    "below <code>data/derived</code>, are copies for reading; evidence is what lies below "
    "<code>data/recordings</code> and <code>data/log</code>.</p>\n<h2>What it does not prove</h2>\n"
    "<p>Access that bypassed the gateway. That typed secrets were masked: masking at a terminal is "
    "a "
    "heuristic. <code>data/log/leaves.jsonl</code> names every session of the installation, since "
    "otherwise nobody could see that none is missing.</p>\n</body></html>\n";

static const char map[] = "# Control map\n\n"
                          "Which file of this bag answers which requirement. What is proved, and "
                          "by what, is in report.html.\n\n"
                          "| requirement | what answers it | where |\n|---|---|---|\n"
                          "| PCI DSS 4.0 10.2 (audit logs of individual access) | who, when, to "
                          "what, under which role | data/recordings/*/open.dsse.json |\n"
                          "| PCI DSS 4.0 10.3 (logs protected from change) | signatures, hash "
                          "chains, Merkle root, log proofs | verify.sh |\n"
                          "| PCI DSS 4.0 10.5 (history kept) | retain-until in each open record | "
                          "data/recordings/*/open.dsse.json |\n"
                          "| PCI DSS 4.0 8.2.2, 7.2 (approved use) | approvals in the open record, "
                          "approval leaves | data/log/leaves.jsonl |\n"
                          "| DORA art. 9(4), 10, 12 (access control, detection, records) | "
                          "sessions of a period, complete | data/period.json, data/log |\n"
                          "| DORA art. 17 (incident records) | what was shown and typed, with "
                          "times | data/derived/*/transcript.txt |\n"
                          "| PSD2 RTS art. 29 (traceability) | time, person, target of each "
                          "session | data/recordings/*/open.dsse.json |\n"
                          "| SOX 404 (IT general controls: privileged access) | completeness of "
                          "recorded sessions | verify.sh, data/log |\n"
                          "| SEC 17a-4(f)(2)(i)(A) (audit-trail alternative) | every change is an "
                          "entry; nothing is overwritten | data/log/leaves.jsonl |\n"
                          "| access to the records themselves | replay, export and hold leaves: "
                          "who watched what | data/log/leaves.jsonl |\n";

static void cell(struct buf *b, const char *text) {
    buf_puts(b, "<td>");
    derive_html(b, text ? text : "");
    buf_puts(b, "</td>");
}

static void when(struct buf *b, int64_t ms) {
    char text[32] = "";
    if (ms > 0)
        clock_format((uint64_t)ms, text, sizeof text);
    cell(b, text);
}

static void approvals(struct buf *b, const json_t *list) {
    char text[64];
    size_t n = json_array_size(list);
    snprintf(text, sizeof text, n ? "%zu" : "none", n);
    cell(b, text);
}

int report_session(struct report *r, const struct reading *one, struct err *e) {
    struct buf row __attribute__((cleanup(buf_fini)));
    struct buf *b = &row;
    const struct open_record *o = &one->open;
    bool open = one->open_envelope.statement, seal = one->seal_envelope.statement;
    char connection[600] = "";
    buf_init(&row, ROW_MAX);
    if (open)
        snprintf(connection, sizeof connection, "%s/%s (%s %s)", o->namespace, o->connection,
                 o->protocol, o->target);
    buf_puts(b, "<tr>");
    cell(b, open ? o->session : one->prefix);
    cell(b, open ? o->person_name : "the open record cannot be read");
    cell(b, connection);
    when(b, open ? o->start : 0);
    when(b, seal ? one->seal.end : 0);
    cell(b, seal ? one->seal.state : "not sealed");
    cell(b, seal ? one->seal.reason : "");
    approvals(b, open ? o->approvals : NULL);
    cell(b, open ? o->keys : "");
    buf_puts(b, "</tr>\n");
    return row.failed || file_write_all(r->rows, row.data, row.len) < 0
               ? err_errno(e, 0, "the report")
               : 0;
}

void report_log(struct report *r, const struct note *n) {
    char root[65];
    hex_encode(n->root, MERKLE_HASH, root);
    snprintf(
        r->log, sizeof r->log,
        "<h2>The log over all sessions</h2>\n<p>%llu leaves under the checkpoint in "
        "<code>data/log/checkpoint</code>, root <code>%s</code>. Keep that file: it is an anchor "
        "for the next bag.</p>\n",
        (unsigned long long)n->size, root);
}

static int body(struct report *r, struct bag_file *f, size_t sessions, struct err *e) {
    static const char *const columns[] = { "session", "person", "connection", "began",     "ended",
                                           "state",   "reason", "approvals",  "typed keys" };
    struct buf text __attribute__((cleanup(buf_fini)));
    buf_init(&text, 65536);
    buf_printf(&text, "%s<p>%zu sessions.</p>\n<table><tr>", head, sessions);
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        buf_printf(&text, "<th>%s</th>", columns[i]);
    buf_puts(&text, "</tr>\n");
    if (text.failed)
        return err_set(e, 0, "no memory for the report");
    if (bag_add(f, text.data, text.len, e) < 0 || bag_add_file(f, r->rows, e) < 0)
        return -1;
    buf_clear(&text);
    buf_printf(&text, "</table>\n%s%s", r->log, how);
    return text.failed ? err_set(e, 0, "no memory for the report")
                       : bag_add(f, text.data, text.len, e);
}

int report_put(struct report *r, struct bag *b, size_t sessions, struct err *e) {
    struct bag_file *f = bag_begin(b, "data/report.html", e);
    if (!f)
        return -1;
    int result = body(r, f, sessions, e);
    if (bag_end(f, result < 0 ? NULL : e) < 0 || result < 0)
        return -1;
    return bag_put(b, "data/control-map.md", map, strlen(map), e);
}
