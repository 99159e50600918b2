/* Looked up by halving: the log names every session of the installation. */
#include "recording/evidence/export_list.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guacd/base/enc.h"
#include "recording/merkle.h"

int export_list_open(struct export_list *l, int ids, int marks, size_t count, struct err *e) {
    struct stat st;
    *l = (struct export_list){ 0 };
    if (count == 0 || fstat(ids, &st) < 0 || (uint64_t)st.st_size != (uint64_t)count * EXPORT_LINE)
        return err_set(e, 0, "the list of sessions is not what was planned");
    if (marks >= 0 && ftruncate(marks, (off_t)count) < 0)
        return err_errno(e, 0, "the list of sessions");
    void *list = mmap(NULL, count * EXPORT_LINE, PROT_READ, MAP_SHARED, ids, 0);
    void *seen = marks < 0 ? NULL : mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_SHARED, marks, 0);
    if (list == MAP_FAILED || seen == MAP_FAILED) {
        if (list != MAP_FAILED)
            munmap(list, count * EXPORT_LINE);
        return err_errno(e, 0, "the list of sessions");
    }
    *l = (struct export_list){ .ids = list, .marks = seen, .count = count };
    return 0;
}

void export_list_fini(struct export_list *l) {
    if (l->ids)
        munmap((void *)(uintptr_t)l->ids, l->count * EXPORT_LINE);
    if (l->marks)
        munmap(l->marks, l->count);
    *l = (struct export_list){ 0 };
}

void export_list_id(const struct export_list *l, size_t i, char out[UUID_LEN + 1]) {
    memcpy(out, l->ids + i * EXPORT_LINE, UUID_LEN);
    out[UUID_LEN] = '\0';
}

ssize_t export_list_find(const struct export_list *l, const char *id) {
    for (size_t low = 0, high = l->count; low < high;) {
        size_t mid = low + (high - low) / 2;
        int c = memcmp(l->ids + mid * EXPORT_LINE, id, UUID_LEN);
        if (c == 0)
            return (ssize_t)mid;
        if (c > 0) /* newest first */
            low = mid + 1;
        else
            high = mid;
    }
    return -1;
}

void export_list_root(const struct export_list *l, char out[65]) {
    struct merkle m;
    uint8_t root[MERKLE_HASH];
    merkle_init(&m);
    for (size_t i = l->count; i-- > 0;)
        merkle_add(&m, l->ids + i * EXPORT_LINE, UUID_LEN);
    merkle_root(&m, root);
    hex_encode(root, sizeof root, out);
}
