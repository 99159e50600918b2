/* What of a session goes to the recording, and in which words. Every call is for the wire thread
 * and does nothing in a session that is not recorded. */
#ifndef GUAC_SESSION_RECORD_H
#define GUAC_SESSION_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/session/session.h"

/* The tap came with the first byte; kept until record_start(), when the policy is known. */
void record_descriptor(struct session *s, int fd);
int record_start(struct session *s, struct err *e);
/* Stock mode, by the rows `recording-…`: into a file as stock players read it. guacd knows the
 * session's id already. Fails when a recording is asked for and cannot be made. */
int record_to_file(struct session *s, struct err *e);
/* A recorder (again): frames after `after` follow on fd, which is taken. */
int record_resume(struct session *s, int fd, uint64_t after, uint64_t *next, struct err *e);
void record_free(struct session *s);

/* Frames are wanted even when nobody can take one. */
bool record_wants_frames(const struct session *s);
void record_frame(struct session *s, struct chunk *c);

uint64_t record_key_id(const struct session *s); /* of the next record_key() */
void record_key(struct user *u, uint32_t keysym, bool pressed);
void record_mouse(struct user *u, int x, int y, int mask);
void record_touch(struct user *u, const struct event *touch);
void record_acked(struct user *u, uint64_t ts);
void record_echo(struct session *s, uint64_t id, bool visible);
void record_mask(struct session *s, bool on);

void record_shown(struct session *s); /* what session_shown() gathered */
/* kind: "title", "file"; by: NULL for the target. */
void record_text(struct session *s, const char *kind, const char *by, const char *text, size_t len);
/* A file's way: members as files_tell.c writes them (stolen). Where only events are recorded it is
 * one of them. */
void record_file(struct session *s, const char *by, json_t *members);
/* from: who pasted; NULL: the target copied. */
void record_clipboard(struct session *s, const struct user *from, const char *mimetype,
                      const char *data, size_t len);
void record_event(struct session *s, json_t *event); /* steals */

/* The last frame; once. */
void record_end(struct session *s, int status, const char *reason);
/* Is all of it in the recorder's hands (or is there no recorder)? */
bool record_finished(const struct session *s);

#endif
