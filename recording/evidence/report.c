/* Everything recorded is escaped; there is nothing to run and nothing to load. */
#include "recording/evidence/report.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "recording/evidence/derive.h"

#define ROWS_MAX ((size_t)256 << 20)

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

void report_init(struct report *r) {
    *r = (struct report){ 0 };
    buf_init(&r->rows, ROWS_MAX);
}

void report_fini(struct report *r) {
    buf_fini(&r->rows);
}

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

void report_session(struct report *r, const struct reading *one) {
    struct buf *b = &r->rows;
    const struct open_record *o = &one->open;
    bool open = one->open_envelope.statement, seal = one->seal_envelope.statement;
    char connection[600] = "";
    r->sessions++;
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

int report_put(struct report *r, struct bag *b, struct err *e) {
    struct buf all __attribute__((cleanup(buf_fini)));
    buf_init(&all, ROWS_MAX + 65536);
    buf_puts(&all, head);
    buf_printf(&all, "<p>%zu sessions.</p>\n<table><tr>", r->sessions);
    static const char *const columns[] = { "session", "person", "connection", "began",     "ended",
                                           "state",   "reason", "approvals",  "typed keys" };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        buf_printf(&all, "<th>%s</th>", columns[i]);
    buf_puts(&all, "</tr>\n");
    buf_add(&all, r->rows.data, r->rows.len);
    buf_printf(&all, "</table>\n%s%s", r->log, how);
    if (all.failed)
        return err_set(e, 0, "no memory for the report");
    return bag_put(b, "data/report.html", all.data, all.len, e) < 0 ||
                   bag_put(b, "data/control-map.md", map, strlen(map), e) < 0
               ? -1
               : 0;
}
