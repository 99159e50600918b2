/* guac-evidence: an auditor's tool, and the reader behind replay. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <errno.h>

#include "guacd/base/conf.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "recording/evidence/evidence.h"
#include "recording/evidence/exports.h"

#define AT(member) offsetof(struct config, member)

static struct conf_row rows[] = {
    STORE_CONF_ROWS(struct config, store),
    { "buckets", CONF_LIST, AT(buckets), "", 0, 0, 0,
      "Where to look (default: all of a folder, else guacamole-recordings)" },
    { "key", CONF_LIST, AT(key), "", 0, 0, 0,
      "For verify: who must have signed; PEM files of public keys, or fingerprints" },
    { "log-bucket", CONF_STRING, AT(log_bucket), "", 0, 0, 0,
      "Bucket of the log over all sessions (default: guacamole-recordings)" },
    { "anchor", CONF_LIST, AT(anchor), "", 0, 0, 0,
      "For verify: earlier checkpoints, held elsewhere; files of signed notes, or SIZE:ROOT" },
    { "events", CONF_PATH, AT(events), "", 0, 0, 0,
      "For verify: audit events as a SIEM kept them, JSON lines; the leaves they tell of" },
    { "stamp-ca", CONF_PATH, AT(stamp_ca), "", 0, 0, 0,
      "For verify: certificates of the authority whose time stamps are on checkpoints" },
    { "from", CONF_STRING, AT(from), "", 0, 0, 0,
      "search, verify, export: sessions begun then or later (2026-11-22T00:00:00Z)" },
    { "to", CONF_STRING, AT(to), "", 0, 0, 0, "search, verify, export: begun before" },
    { "output", CONF_PATH, AT(output), "", 0, 0, 0, "For export: the folder to be made" },
    { "quick", CONF_BOOL, AT(quick), "no", 0, 0, 0,
      "For verify of a whole store: the log, open records and seals, and no chunks" },
    { "json", CONF_BOOL, AT(json), "no", 0, 0, 0,
      "ls, show, search, keys, verify, transcript: JSON lines" },
    { "raw", CONF_BOOL, AT(raw), "no", 0, 0, 0, "cat: the very bytes, without `sync`s put in" },
    { "index", CONF_PATH, AT(index), "", 0, 0, 0,
      "serve, search: folder of the search index, a cache (default: in memory)" },
    { "exports", CONF_PATH, AT(exports), "", 0, 0, 0,
      "serve: folder of the bags it makes for auditors (default: it makes none)" },
    { "exports-at-once", CONF_INT, AT(exports_at_once), "1", 1, EXPORTS_AT_ONCE_MAX, 0,
      "serve: bags made at a time; others wait" },
    { "exports-each", CONF_INT, AT(exports_each), "10", 1, 1000, 0,
      "serve: exports one person may have" },
    { "export-space", CONF_INT, AT(export_space), "20480", 1, 1L << 40, 0,
      "serve: MiB that all bags together may take" },
    { "export-hours", CONF_INT, AT(export_hours), "72", 1, 8760, 0,
      "serve: how long a finished bag is kept" },
    { "run", CONF_PATH, AT(run), "/run/guac", 0, 0, 0, "serve, hold, keys: folder of the sockets" },
    { "trusted-uids", CONF_LIST, AT(trusted_uids), "", 0, 0, 0,
      "serve: users beside our own that may connect (authd's)" },
    { "workers", CONF_INT, AT(workers), "4", 1, 64, 0, "serve: requests to the store at once" },
    { "log-level", CONF_STRING, AT(log_level), "info", 0, 0, 0,
      "error, warning, info, debug or trace" },
    { "allow-no-seccomp", CONF_BOOL, AT(allow_no_seccomp), "no", 0, 0, 0,
      "serve: start also where the kernel has no seccomp" },
};

static const struct conf_table table = {
    .program = "guac-evidence",
    .purpose =
        "Reads and proves recordings. Commands: ls [CONNECTION], show WHAT, search WORDS..., keys, "
        "verify [WHAT...], anchor, export [WHAT...] --output FOLDER, "
        "transcript WHAT, cat WHAT, hold WHAT on|off [WHY], keys rotate FILE, "
        "keys compromise FINGERPRINT [SINCE], serve; WHAT is a prefix, an id, or a folder.",
    .rows = rows,
    .count = ARRAY_LEN(rows),
    .default_file = "/etc/guac/evidence.conf",
};

static const struct command {
    const char *name;
    int (*fn)(struct evidence *v, char **words, size_t count, struct err *e);
    bool needs_store;
} commands[] = {
    { "ls", command_ls, true },          { "show", command_show, false },
    { "search", command_search, true },  { "keys", command_keys, false },
    { "verify", command_verify, false }, { "export", command_export, true },
    { "anchor", command_anchor, true },  { "transcript", command_transcript, false },
    { "cat", command_cat, false },       { "hold", command_hold, true },
    { "serve", command_serve, true },
};

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

/* The reader may be started before the first recording is made. */
static int open_store(struct evidence *v, struct err *e) {
    v->target = store_target_new(&v->config->store, e);
    const char *folder = v->target ? store_target_folder(v->target) : NULL;
    if (folder && mkdir(folder, 0750) < 0 && errno != EEXIST)
        return err_errno(e, 0, "%s", folder);
    v->store = v->target ? store_new(v->target, e) : NULL;
    v->tree = v->store ? tree_new(v->config->buckets, folder != NULL, e) : NULL;
    return v->tree ? 0 : -1;
}

static int run(const struct command *c, struct evidence *v, char **words, size_t count,
               struct err *e) {
    const char *url = v->config->store.url;
    if (url || c->needs_store) {
        if (!url) {
            err_set(e, 0, "%s needs a store (--store)", c->name);
            return 2;
        }
        if (open_store(v, e) < 0)
            return 2;
    }
    return c->fn(v, words, count, e);
}

int main(int argc, char **argv) {
    static struct config config;
    static char *words[256];
    struct evidence v = { .config = &config };
    struct err e = { 0 };
    size_t count = ARRAY_LEN(words);
    rows[0].def = ""; /* a folder is verified without any store */
    enum conf_result loaded = conf_load(&table, &config, argc, argv, words, &count, &e);
    if (loaded == CONF_EXIT)
        return 0;
    int level = loaded == CONF_OK ? log_level_parse(config.log_level) : LOG_LEVEL_INFO;
    log_init("guac-evidence", level >= 0 ? (enum log_level)level : LOG_LEVEL_INFO);
    const struct command *c = loaded == CONF_OK && count > 0 ? find_command(words[0]) : NULL;
    int status = 2;
    if (loaded == CONF_OK && !c)
        err_set(
            &e, 0,
            count
                ? "'%s' is no command (ls, show, search, keys, verify, anchor, export, transcript, "
                  "cat, hold, serve)"
                : "say what: ls, show, search, keys, verify, anchor, export, transcript, cat, hold "
                  "or serve%s",
            count ? words[0] : "");
    if (c)
        status = run(c, &v, words + 1, count - 1, &e);
    if (fflush(stdout) != 0 && status == 0) {
        err_errno(&e, 0, "standard output");
        status = 2;
    }
    if (*e.text)
        log_error("%s", e.text);
    tree_free(v.tree);
    store_free(v.store);
    store_target_free(v.target);
    conf_free(&table, &config);
    return status;
}
