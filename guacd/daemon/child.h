/* What guacd and the guacd-session processes it spawns agree on: descriptors, command line,
 * environment, messages, exit status. Both sides include this header; neither invents beside it.
 *
 * Life: guacd accepts, spawns, and forgets what it does not need. The session process owns the
 * conversation; guacd keeps a duplicate of the client's descriptor for one purpose, to say `error`
 * when the process dies abnormally. So a session ends a user by shutdown(2), then close(2): close
 * alone would leave the duplicate open until the process is reaped. guacd drops its duplicate when
 * the client hangs up. A guacd that dies takes nobody with it: the session sees end-of-file on the
 * channel, stops polling it and goes on. */
#ifndef GUAC_DAEMON_CHILD_H
#define GUAC_DAEMON_CHILD_H

/* ---- descriptors: 0 is /dev/null, 1 and 2 are guacd's (the log); none but these ----------------
 */

#define CHILD_FD_CLIENT \
    3                      /* the accepted stream socket, TCP or Unix. Not one byte was read: in \
                              gateway mode the first one may carry the tap. Blocking as accepted */
#define CHILD_FD_CHANNEL 4 /* SOCK_SEQPACKET to guacd, messages by ctl_send()/ctl_recv() */
#define CHILD_FD_TLS \
    5 /* only with --tls=true: a pipe with the certificate chain and then the \
         private key, both PEM, CHILD_TLS_MAX bytes at most, up to \
         end-of-file. Read, closed and wiped before the first byte of 3 */
#define CHILD_TLS_MAX 60000 /* fits into a pipe, so guacd never waits for its reader */

/* ---- command line: guacd-session, then all of these in this order, each as one word ------------
 */
/*
 *   --mode=stock|gateway      gateway: 3 is authd's, its uid was checked; a tap is a must
 *   --tls=true|false          true: speak TLS on 3 first (stock mode only)
 *   --run=DIR                 absolute; control sockets are DIR/s/<id>.sock
 *   --trusted-uids=LIST       numbers separated by commas: who may use the control socket
 *   --log-level=LEVEL         error warning info debug trace
 *   --backends=DIR            absolute; <protocol>.so lie there
 *   --allow-no-seccomp=BOOL   struct sandbox_options
 *   --denylist-only=BOOL
 *   --sandbox-trap=BOOL
 *
 * Environment, exactly: LANG=C.UTF-8, HOME=/nonexistent, TZ and JOURNAL_STREAM if guacd has them;
 * in sanitizer builds also ASAN_OPTIONS, UBSAN_OPTIONS, TSAN_OPTIONS, LSAN_OPTIONS. */
#define CHILD_ARGC 12

/* ---- messages, session -> guacd -----------------------------------------------------------------
 */
/* A session makes no Unix socket: until stage B its sandbox could not tell its own from authd's.
 *
 *   {"op":"session","id":UUID}   `connect` was read and the id is known; sent once. Answered: with
 *                                the descriptor that listens on DIR/s/<id>.sock. guacd unlinks that
 *                                socket after the process has ended, and no longer counts it as
 *                                starting
 *   {"op":"join","id":UUID}      stock `select $id`: answered, with a descriptor connected to
 *                                session <id>'s control socket
 *   {"op":"joined","id":UUID}    the client's descriptor was taken by session <id>. No answer. The
 *                                process then exits 0, or under TLS stays as a relay. guacd hands
 *                                its duplicate on to <id>'s entry, if that is its own
 *   {"op":"files","id":UUID,"folder":F,"name":N,"make":B,"existing":B,"timing":B}
 *                                stock mode, after session: answered with a file open for writing,
 *                                F/N or F/N.1 … F/N.255 where that exists and `existing` is false;
 *                                make: F may be made, its parent not; timing: a second descriptor,
 *                                of the file with .timing behind its name
 */
#define CHILD_OP_SESSION "session"
#define CHILD_OP_JOIN "join"
#define CHILD_OP_JOINED "joined"
#define CHILD_OP_FILES "files"

/*   {"op":"storage","id":UUID}   after "session", at most once. Answered: with the descriptor of an
 *                                empty file without a name, for what this session keeps as long as
 *                                it runs
 */
#define CHILD_OP_STORAGE "storage"

/*   {"op":"known","id":UUID,"name":N}     after session, once: answered by
 *                                         {"op":"known","print":P}, the certificate remembered by
 *                                         this name (known.h) or ""
 *   {"op":"remember","id":UUID,"print":P} that name's first use was accepted. No answer
 */
#define CHILD_OP_KNOWN "known"
#define CHILD_OP_REMEMBER "remember"

/* ---- messages, guacd -> session -----------------------------------------------------------------
 */
/*
 *   {"op":"socket"} + descriptor        the answer to session, join, files and storage
 *   {"op":"refused","text":T}           the other one
 *   {"op":"end","status":N,"text":T}    tell all users and end as if the control socket had said so
 *   {"op":"leave","ms":N}               guacd is being stopped: tell all users, end in N ms
 */
#define CHILD_OP_SOCKET "socket"
#define CHILD_OP_REFUSED "refused"
#define CHILD_OP_END "end"
#define CHILD_OP_LEAVE "leave"
#define CHILD_ANSWER_MS 10000 /* how long a session waits for one */

/* ---- the end
 * ------------------------------------------------------------------------------------- */
/*
 * Exit 0: everyone was told whatever there was to say (an `error` sent by the session itself
 * included). Anything else, a signal too: guacd sends `error` 0x0200 to the clients whose
 * duplicates it has (plain sockets only), logs it and counts it. A process that has sent neither
 * message after CHILD_START_MS is killed; the session's own handshake limit is shorter. */
#define CHILD_START_MS 30000

#endif
