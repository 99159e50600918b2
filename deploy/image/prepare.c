/* guac-prepare FOLDER: makes the sockets' folder of a pod, which Kubernetes cannot.
 *
 * An emptyDir belongs to root and may be written by all who share its group, without the sticky
 * bit: one program could take another's socket away and listen in its place. The folder made here
 * belongs to a user that is none of them, and each can only remove what it made itself. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE 03770 /* set-group-id, sticky, group may write */

static int complain(const char *path, const char *what) {
    fprintf(stderr, "guac-prepare: %s: %s\n", path, what);
    return 1;
}

int main(int argc, char **argv) {
    struct stat st;
    if (argc != 2 || argv[1][0] != '/')
        return complain("usage", "guac-prepare /FOLDER");
    const char *path = argv[1];
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return complain(path, strerror(errno));
    if (lstat(path, &st) < 0)
        return complain(path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return complain(path, "is there already and no folder");
    if (st.st_uid != geteuid())
        return complain(path, "belongs to somebody else; its sockets could be replaced");
    /* chmod by somebody who is not in the folder's group would drop the set-group-id bit silently
     */
    if (chmod(path, MODE) < 0 || lstat(path, &st) < 0)
        return complain(path, strerror(errno));
    if ((st.st_mode & 07777) != MODE)
        return complain(path, "its group is not one of this user's: set fsGroup");
    return 0;
}
