/* Secrets live in pages of their own: MADV_DONTDUMP works on whole pages, and giving the pages back
 * takes the last copy along. */
#include "guacd/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guacd/base/util.h"

#define FILE_MAX ((size_t)1 << 20)

static size_t pages(size_t len) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (len + 1 + page - 1) / page * page;
}

static char *take(size_t len) {
    if (len > SIZE_MAX / 2) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = mmap(NULL, pages(len), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    madvise(p, pages(len), MADV_DONTDUMP);
    return p;
}

int secret_set(struct secret *s, const void *data, size_t len) {
    char *fresh = take(len);
    if (!fresh)
        return -1;
    if (len)
        memcpy(fresh, data, len);
    secret_fini(s);
    s->data = fresh;
    s->len = len;
    return 0;
}

void secret_fini(struct secret *s) {
    if (s->data) {
        explicit_bzero(s->data, s->len);
        munmap(s->data, pages(s->len));
    }
    *s = (struct secret){ 0 };
}

int secret_read_file(struct secret *s, const char *path, struct err *e) {
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_errno(e, 0, "%s", path);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_errno(e, 0, "%s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, 0, "%s: not a regular file", path);
    if (st.st_mode & S_IROTH)
        return err_set(e, 0, "%s: everybody may read this secret (chmod o-r)", path);
    if ((uintmax_t)st.st_size > FILE_MAX)
        return err_set(e, 0, "%s: larger than %zu bytes", path, FILE_MAX);
    _secret_ struct secret file = { .data = take((size_t)st.st_size), .len = (size_t)st.st_size };
    if (!file.data)
        return err_errno(e, 0, "%s", path);
    size_t len = 0;
    while (len < file.len) {
        ssize_t n = read(fd, file.data + len, file.len - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, 0, "%s", path);
        if (n == 0)
            break; /* it became shorter meanwhile */
        len += (size_t)n;
    }
    if (len > 0 && file.data[len - 1] == '\n')
        len--;
    if (secret_set(s, file.data, len) < 0)
        return err_errno(e, 0, "%s", path);
    return 0;
}

void secret_wipe(void *data, size_t len) {
    explicit_bzero(data, len);
}

int secret_equal(const void *a, const void *b, size_t len) {
    return CRYPTO_memcmp(a, b, len) == 0;
}
