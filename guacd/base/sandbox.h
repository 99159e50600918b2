/* Landlock and seccomp behind a few calls; ARCHITECTURE.md names the stages. Everything here is
 * called once each, in order, from the only thread, unless said otherwise. Sanitizer builds leave
 * out the allow-list (stage B) and what LeakSanitizer needs (ptrace, a clone, being dumpable).
 *
 * Landlock layers and filters are inherited by what a program executes, and layers only narrow: a
 * profile with allow_exec must grant what its children will grant themselves (/etc, /proc, fonts,
 * any_connect, any_bind …). */
#ifndef GUAC_BASE_SANDBOX_H
#define GUAC_BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "guacd/base/err.h"

enum sandbox_access {
    SANDBOX_READ,    /* files and folders below */
    SANDBOX_WRITE,   /* read, make, change, remove files and folders below; never execute */
    SANDBOX_SOCKETS, /* read, make Unix sockets in it and remove them */
    SANDBOX_EXECUTE, /* read and execute this one file */
    SANDBOX_DEVICE,  /* read, write and control it, or all in it: terminals */
    SANDBOX_CREATE,  /* make and write files below, make folders; read and remove nothing */
    SANDBOX_UNLINK,  /* remove files below */
    SANDBOX_RMDIR,   /* remove empty folders below */
};

struct sandbox_path {
    const char *path; /* missing is no error */
    enum sandbox_access access;
};

/* What a program may do once sealed. */
struct sandbox_profile {
    const struct sandbox_path *paths;
    size_t path_count;
    const uint16_t *connect_ports; /* TCP; NULL and count 0: none */
    size_t connect_port_count;
    const uint16_t *bind_ports;
    size_t bind_port_count;
    bool any_connect;  /* ports not limited (a second layer does it later) */
    bool any_bind;     /* the same for bind; TCP only, as all of this */
    bool unix_sockets; /* more of them can be made; not: those made before can be used, and pairs */
    bool datagrams;    /* UDP, which Landlock does not know: where names have to be resolved */
    bool servers;      /* bind and listen; not: all that listens was made before */
    bool memory_files; /* memfd_create, for large answers; execveat stays refused */
    bool allow_exec;   /* guacd only; else execve and friends answer EPERM */
    bool libraries;    /* loader paths (RUNPATH among them), libc's files and the usual
                          devices are readable */
    bool fonts;        /* fontconfig and fonts are readable */
    bool tls;          /* openssl.cnf and the system's CA certificates */
};

/* Set by --allow-no-seccomp: without it a missing seccomp is an error. Missing or old Landlock is
 * a warning and the metric guacamole_sandbox_landlock_abi. */
struct sandbox_options {
    bool allow_no_seccomp;
    bool denylist_only; /* stage B becomes the deny-list too */
    bool trap;          /* stage B: print the refused system call on stderr, then EPERM */
};

/* no_new_privs, not dumpable, RLIMIT_CORE 0, signal dispositions untouched. */
int sandbox_begin(struct err *e);
/* One Landlock layer and the seccomp deny-list of parts "A" (the deny-list only the first time). */
int sandbox_enter(const struct sandbox_profile *p, const struct sandbox_options *o, struct err *e);
/* A further Landlock layer only (stage A2). */
int sandbox_narrow(const struct sandbox_profile *p, struct err *e);
/* Stage B: seccomp allow-list on all threads (TSYNC). needs: SANDBOX_NEED_*. */
#define SANDBOX_NEED_SOCKETS 1u /* more connections, names resolved for them */
#define SANDBOX_NEED_FILES 2u   /* rdp drive: writes to a file that is open already */
#define SANDBOX_NEED_TCP 4u     /* rdp, kubernetes: more connections, but no names and no UDP */
int sandbox_lock(unsigned needs, const struct sandbox_options *o, struct err *e);
/* No io_uring can be set up from here on, as in a kernel without: for a library that would make one
 * before the program seals itself, and break when it may use it no more (libuv 1.49 and later).
 * After sandbox_begin(). */
int sandbox_deny_rings(struct err *e);
/* No socket of any kind can be made from here on: for a jail, where Landlock knows neither Unix
 * sockets with a name, nor UDP, multipath TCP and fast open, and before ABI 4 no port at all. */
int sandbox_deny_sockets(struct err *e);
/* Landlock ABI in force here, 0: none. */
int sandbox_landlock_abi(void);

#endif
