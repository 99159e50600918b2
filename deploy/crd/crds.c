/* guac-crds: what the resource tables say, for others: `guac-crds DIR` writes a CRD of each kind
 * into DIR, `guac-crds --manual` prints the tables of docs/connections.md. */
#include <stdio.h>
#include <string.h>

#include "crd/lint.h"
#include "crd/openapi.h"
#include "guacd/base/util.h"

#define TEXT_MAX ((size_t)4 << 20)

static int write_file(const char *folder, const struct openapi_kind *k) {
    char path[512];
    struct buf text _buf_cleanup_;
    buf_init(&text, TEXT_MAX);
    snprintf(path, sizeof path, "%s/%s.yaml", folder, k->plural);
    if (openapi_crd(k, &text))
        return -1;
    FILE *f = fopen(path, "w");
    if (!f || fwrite(text.data, 1, text.len, f) != text.len) {
        perror(path);
        if (f)
            fclose(f);
        return -1;
    }
    return fclose(f);
}

static int print_manual(void) {
    struct buf text _buf_cleanup_;
    buf_init(&text, TEXT_MAX);
    for (size_t i = 0; i < OPENAPI_KINDS; i++) {
        buf_printf(&text, "### %s\n\n%s\n\n", openapi_kinds[i].kind, openapi_kinds[i].help);
        openapi_manual(&openapi_kinds[i], &text);
        buf_putc(&text, '\n');
    }
    for (size_t i = 0; protocols[i]; i++) {
        if (strcmp(protocols[i]->name, "demo") == 0)
            continue;
        buf_printf(&text, "### parameters: %s\n\n", protocols[i]->name);
        openapi_parameters(protocols[i], &text);
        buf_putc(&text, '\n');
    }
    return text.failed || fwrite(text.data, 1, text.len, stdout) != text.len ? -1 : 0;
}

static int check_files(char **files) {
    size_t wrong = 0;
    for (; *files; files++) {
        struct buf text _buf_cleanup_;
        buf_init(&text, TEXT_MAX);
        wrong += lint_file(*files, &text);
        fwrite(text.data ? text.data : "", 1, text.len, stdout);
    }
    return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    int rc = 0;
    if (argc == 2 && strcmp(argv[1], "--manual") == 0)
        return print_manual() ? EXIT_FAILURE : EXIT_SUCCESS;
    if (argc > 2 && strcmp(argv[1], "--check") == 0)
        return check_files(argv + 2);
    if (argc != 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: guac-crds DIR | --manual | --check FILE...\n");
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < OPENAPI_KINDS; i++)
        rc |= write_file(argv[1], &openapi_kinds[i]);
    return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
