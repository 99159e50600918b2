/* A configuration file of any bytes: an error or a config, never a crash; an error has words. */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/conf.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct config {
    char *text, *list;
    long number;
    bool flag;
};

static const struct conf_row rows[] = {
    { "some-text", CONF_STRING, offsetof(struct config, text), "x", 0, 0, 0, "" },
    { "list", CONF_LIST, offsetof(struct config, list), "", 0, 0, 0, "" },
    { "number", CONF_INT, offsetof(struct config, number), "7", -5, 100, 0, "" },
    { "flag", CONF_BOOL, offsetof(struct config, flag), "no", 0, 0, 0, "" },
};

static const struct conf_table table = { "fuzz", "", rows, ARRAY_LEN(rows), NULL };

static int item(const char *text, void *arg) {
    (void)arg;
    return *text ? 0 : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct config c = { 0 };
    struct err e = { 0 };
    int r = conf_parse(&table, &c, (const char *)data, size, "fuzz", &e);
    if (r < 0 ? !e.status || !e.text[0] : e.status != 0)
        abort();
    if (c.number < -5 || c.number > 100 || conf_each(c.list, item, NULL) != 0)
        abort();
    if (c.text && utf8_count(c.text, strlen(c.text)) < 0)
        abort();
    conf_free(&table, &c);
    return 0;
}
