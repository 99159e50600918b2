#include "guacd/backends/sftp/sftp_path.h"

#include <stdio.h>
#include <string.h>

int sftp_path_join(const char *top, const char *path, char *out, size_t size) {
    int n;
    if (strcmp(top, "/") == 0)
        n = snprintf(out, size, "%s", path);
    else
        n = snprintf(out, size, "%s%s", top, strcmp(path, "/") == 0 ? "" : path);
    return n > 0 && (size_t)n < size ? 0 : -1;
}

bool sftp_path_below(const char *top, const char *path) {
    size_t n = strlen(top);
    if (strcmp(top, "/") == 0)
        return path[0] == '/';
    return strncmp(top, path, n) == 0 && (path[n] == '/' || !path[n]);
}

bool sftp_path_up(char *path) {
    char *slash = strrchr(path, '/');
    if (!slash || !path[1])
        return false;
    slash[slash == path] = '\0';
    return true;
}

const char *sftp_path_inner(const char *top, const char *path) {
    if (!sftp_path_below(top, path))
        return "/";
    const char *inner = strcmp(top, "/") == 0 ? path : path + strlen(top);
    return *inner ? inner : "/";
}
