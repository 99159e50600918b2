/* The registry's folder: made, and kept free of sockets that nobody listens on. */
#include "guacd/daemon/registry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "guacd/base/enc.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define SUFFIX ".sock"
#define YOUNG_S 10 /* between bind and listen a new session's socket refuses, too */

/* Group and setgid: who shares the group may connect, and sockets inherit it. */
static int make_folder(const char *path, mode_t mode, struct err *e) {
    if (mkdir(path, 0700) == 0)
        return chmod(path, mode) == 0 ? 0 : err_errno(e, 0, "cannot set the mode of %s", path);
    struct stat st;
    if (errno != EEXIST || stat(path, &st) < 0)
        return err_errno(e, 0, "cannot make the folder %s", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(e, 0, "%s is no folder", path);
    if (st.st_mode & S_IWOTH && !(st.st_mode & S_ISVTX))
        return err_set(e, 0, "the folder %s may be written by everybody", path);
    return 0;
}

static int private_folder(char *out, size_t size, struct err *e) {
    const char *tmp = getenv("TMPDIR");
    if (snprintf(out, size, "%s/guacd-XXXXXX", tmp && *tmp ? tmp : "/tmp") >= (int)size)
        return err_set(e, 0, "TMPDIR is too long a path for sockets");
    return mkdtemp(out) ? 0 : err_errno(e, 0, "cannot make the folder %s", out);
}

int registry_open(struct registry *r, const char *run, struct err *e) {
    char path[PATH_MAX];
    *r = (struct registry){ .own = !run };
    if (!run) {
        if (private_folder(r->run, sizeof(r->run), e) < 0)
            return -1;
        run = r->run;
    } else if (make_folder(run, 02750, e) < 0) {
        return -1;
    }
    if (!realpath(run, path))
        return err_errno(e, 0, "%s", run);
    size_t len = strlen(path);
    if (len + strlen("/s/") + UUID_LEN + strlen(SUFFIX) >=
            sizeof(((struct sockaddr_un){ 0 }).sun_path) ||
        len >= sizeof(r->run))
        return err_set(e, 0, "the folder %s is too long a path for sockets below it", path);
    memcpy(r->run, path, len + 1);
    snprintf(path, sizeof(path), "%s/" REGISTRY_OWN, r->run);
    if (make_folder(path, 02750, e) < 0)
        return -1;
    snprintf(path, sizeof(path), "%s/s", r->run);
    return make_folder(path, 02750, e);
}

void registry_close(struct registry *r) {
    char path[PATH_MAX];
    if (!r->own)
        return;
    char own[PATH_MAX];
    snprintf(path, sizeof(path), "%s/s", r->run);
    snprintf(own, sizeof(own), "%s/" REGISTRY_OWN, r->run);
    if (rmdir(path) < 0 || rmdir(own) < 0 || rmdir(r->run) < 0)
        log_debug("%s stays", r->run);
}

int registry_storage(const struct registry *r, struct err *e) {
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/" REGISTRY_OWN, r->run);
    int fd = open(path, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        /* A file system that has none without a name: it has one for a moment. */
        snprintf(path, sizeof(path), "%s/" REGISTRY_OWN "/.storage-XXXXXX", r->run);
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0)
            unlink(path);
    }
    return fd >= 0 ? fd : err_errno(e, STATUS_SERVER_BUSY, "no storage in %s", r->run);
}

static bool socket_path(const struct registry *r, const char *id, struct sockaddr_un *sa) {
    *sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
    return snprintf(sa->sun_path, sizeof(sa->sun_path), "%s/s/%s" SUFFIX, r->run, id) <
           (int)sizeof(sa->sun_path);
}

/* 0: somebody listens; else why not. Nothing is sent. */
static int probe(const struct sockaddr_un *sa) {
    _close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    return connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 ? 0 : errno;
}

int registry_listen(const struct registry *r, const char *id, struct err *e) {
    struct sockaddr_un sa;
    if (!socket_path(r, id, &sa))
        return err_set(e, 0, "the socket of %s has too long a path", id);
    return ctl_listen(sa.sun_path, 0660, e);
}

int registry_connect(const struct registry *r, const char *id, struct err *e) {
    struct sockaddr_un sa;
    if (!socket_path(r, id, &sa))
        return err_set(e, 0, "the socket of %s has too long a path", id);
    return ctl_connect(sa.sun_path, e);
}

bool registry_alive(const struct registry *r, const char *id) {
    struct sockaddr_un sa;
    int why = socket_path(r, id, &sa) ? probe(&sa) : ENOENT;
    return why != ECONNREFUSED && why != ENOENT;
}

void registry_remove(const struct registry *r, const char *id) {
    struct sockaddr_un sa;
    if (!registry_alive(r, id) && socket_path(r, id, &sa) && unlink(sa.sun_path) < 0 &&
        errno != ENOENT)
        log_warning("cannot remove %s: %s", sa.sun_path, strerror(errno));
}

static void close_dir(DIR **d) {
    if (*d)
        closedir(*d);
}

int registry_sweep(const struct registry *r, bool (*mine)(void *arg, const char *id), void *arg) {
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/s", r->run);
    DIR *d __attribute__((cleanup(close_dir))) = opendir(path);
    int others = 0;
    for (struct dirent *f; d && (f = readdir(d));) {
        char id[UUID_LEN + 1];
        size_t len = strlen(f->d_name);
        if (len != UUID_LEN + strlen(SUFFIX) || strcmp(f->d_name + UUID_LEN, SUFFIX) != 0 ||
            !uuid_valid(f->d_name, UUID_LEN))
            continue;
        memcpy(id, f->d_name, UUID_LEN);
        id[UUID_LEN] = '\0';
        struct sockaddr_un sa;
        struct stat st;
        if (mine(arg, id) || !socket_path(r, id, &sa) || lstat(sa.sun_path, &st) < 0)
            continue;
        if (!S_ISSOCK(st.st_mode) || time(NULL) - st.st_mtime < YOUNG_S || registry_alive(r, id)) {
            others++;
            continue;
        }
        log_info("removing the socket of %s, which has ended", id);
        registry_remove(r, id);
    }
    return others;
}
