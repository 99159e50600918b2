/* What an API server says in JSON, and command lines: values within their bounds, sentences with
 * words, never a crash. */
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/kubernetes/status.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct kwhere where = { "ns", "pod", "c", "exec", "sh" };

static void text_is_good(const char *text, size_t size) {
    size_t len = strnlen(text, size);
    if (len == size || utf8_count(text, len) < 0)
        abort();
}

static void words(const char *line) {
    _buf_cleanup_ struct buf out = { 0 };
    struct err e = { 0 };
    buf_init(&out, 4096);
    int n = kwords(line, &out, &e), ends = 0;
    for (size_t i = 0; i < out.len; i++)
        ends += !out.data[i];
    if (n < 0 ? !e.text[0] : !out.failed && ends != n)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *json = (const char *)data;
    struct kstatus st;
    struct err e = { 0 };
    char text[512] = "";
    if (kstatus_parse(json, size, &st)) {
        text_is_good(st.message, sizeof st.message);
        bool ran = kstatus_ended(&st, &where, text, sizeof text, &e);
        if (ran ? !text[0] : !e.status || !e.text[0])
            abort();
    }
    e = (struct err){ 0 };
    if (kstatus_refusal(400 + (int)(size % 120), json, size, &where, &e) != -1 || !e.status)
        abort();
    struct kpod p;
    if (kpod_parse(json, size, &p)) {
        char names[64];
        kpod_names(&p, names, sizeof names);
        if (!*p.name || p.count > KPOD_CONTAINERS_MAX)
            abort();
        for (size_t i = 0; i < p.count; i++)
            if (*p.containers[i].name && !kpod_container(&p, p.containers[i].name))
                abort();
    }
    if (!kpods_choose(json, size, &p, text, sizeof text) && !*text)
        abort();
    _buf_cleanup_ struct buf selector = { 0 };
    buf_init(&selector, 4096);
    kselector_parse(json, size, &selector);
    char line[256];
    size_t n = MIN_OF(size, sizeof line - 1);
    memcpy(line, data, n);
    line[n] = '\0';
    words(line);
    return 0;
}
