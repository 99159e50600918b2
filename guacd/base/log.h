/* One JSON line an event on stderr ({"ts","level","program","session","msg",…}); plain words when
 * stderr is a terminal; with the journal's priority in front (sd-daemon(3)) when it is the journal,
 * as $JOURNAL_STREAM tells. Thread-safe. Secrets never come here: struct secret has no format. */
#ifndef GUAC_BASE_LOG_H
#define GUAC_BASE_LOG_H

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_TRACE
};

/* `program` is kept by reference. */
void log_init(const char *program, enum log_level level);
/* "error" … "trace" -> level, -1 when unknown. */
int log_level_parse(const char *name);
/* Every later line of this process carries this session id (at most 63 bytes); NULL: none. */
void log_set_session(const char *id);
void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_trace(...) log_at(LOG_LEVEL_TRACE, __VA_ARGS__)

#endif
