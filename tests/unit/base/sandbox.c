/* What each stage stops and what it lets through, probed from inside: every probe runs in a child
 * of its own that went through the stage, and answers with its errno. The target is a sibling of
 * the same uid, so nothing here rests on file modes. */
#include "guacd/base/sandbox.h"

#include "tests/unit/base/sandbox_probes.h"

enum stage { NONE, A, A2, B, B_DENYLIST, B_SOCKETS, B_FILES, STAGES };
static const char *const stage_names[] = {
    "none", "A", "A2", "B", "B as deny-list", "B with sockets", "B with files"
};

#define ANY (-1)
#define OPEN \
    { 0, 0, 0, 0, 0, 0, 0 }
#define SHUT(none, e) \
    { none, e, e, e, e, e, e }

static const struct probe {
    const char *name;
    int (*fn)(void);
    int abi;            /* Landlock's that the A columns rest on */
    int expect[STAGES]; /* none, A, A2, B, deny-list, sockets, files */
} probes[] = {
    { "read a secret", read_secret, 1, SHUT(0, EACCES) },
    { "read /etc/shadow", read_shadow, 1, SHUT(ANY, EACCES) },
    { "write /proc/self/mem", write_own_memory, 1, SHUT(0, EACCES) },
    { "create in /tmp", create_in_tmp, 1, SHUT(0, EACCES) },
    { "use a folder", create_in_drive, 1, { 0, 0, 0, EACCES, 0, EACCES, EACCES } },
    { "use another's folder",
      create_in_other_drive,
      1,
      { 0, 0, EACCES, EACCES, EACCES, EACCES, EACCES } },
    { "write to an open file", write_storage, 0, { 0, 0, 0, EPERM, 0, EPERM, 0 } },
    { "make a fifo in the drive", fifo_in_drive, 0, SHUT(0, EPERM) },
    { "read a library's file", list_library, 1, OPEN },
    { "execute", execute, 1, SHUT(0, EPERM) },
    { "execute memory", execute_memory, 0, SHUT(0, EPERM) },
#ifndef GUAC_SANITIZER
    { "fork", fork_process, 0, SHUT(0, EPERM) },
#endif
    { "connect where allowed", connect_allowed, 4, { 0, 0, 0, EPERM, EPERM, 0, EPERM } },
    { "connect elsewhere", connect_elsewhere, 4, { 0, 0, EACCES, EPERM, EPERM, EACCES, EPERM } },
    { "fast open", fast_open, 0, SHUT(0, EPERM) },
    { "fast open by sendmsg", fast_open_message, 0, SHUT(0, EPERM) },
    { "bind TCP", bind_tcp, 4, { 0, EACCES, EACCES, EPERM, EPERM, EPERM, EPERM } },
    { "UDP", udp, 0, { 0, 0, 0, EPERM, EPERM, 0, EPERM } },
    { "multipath TCP", multipath_tcp, 0, SHUT(ANY, EPERM) },
    { "SCTP", sctp, 0, SHUT(ANY, EPERM) },
    { "raw packets", raw_packets, 0, SHUT(ANY, EPERM) },
    { "TCP by number", tcp_by_number, 0, { 0, 0, 0, EPERM, EPERM, 0, EPERM } },
    { "netlink route", netlink_route, 0, { 0, 0, 0, EPERM, EPERM, 0, EPERM } },
    { "netlink audit", netlink_audit, 0, { ANY, ANY, ANY, EPERM, EPERM, EPERM, EPERM } },
    { "vsock", vsock, 0, SHUT(0, EPERM) },
    { "abstract socket", connect_abstract, 6, SHUT(0, EPERM) },
    { "another's socket", connect_sibling, 0, SHUT(0, EPERM) },
    { "unlink another's socket",
      unlink_sibling,
      1,
      { 0, EACCES, EACCES, EPERM, EACCES, EPERM, EPERM } },
    { "bind in run/s", bind_own, 0, SHUT(0, EPERM) },
    { "stat", stat_secret, 0, OPEN },
    { "truncate by path", truncate_secret, 0, SHUT(0, EPERM) },
    { "ptrace", trace_sibling, 1, SHUT(ANY, EPERM) },
    { "read memory", read_sibling_memory, 0, SHUT(ANY, EPERM) },
    { "read environ", read_sibling_environ, 1, SHUT(0, EACCES) },
    { "kill", kill_sibling, 0, SHUT(0, EPERM) },
    { "pidfd", open_sibling, 0, SHUT(0, EPERM) },
    { "user namespace", user_namespace, 0, SHUT(ANY, EPERM) },
    { "io_uring", io_uring, 0, SHUT(ANY, EPERM) },
    { "keyctl", key_ring, 0, SHUT(ANY, EPERM) },
    { "bpf", bpf_program, 0, SHUT(ANY, EPERM) },
    { "setresuid", set_root, 0, SHUT(0, EPERM) },
    { "executable memory", executable_memory, 0, { 0, 0, 0, EPERM, EPERM, EPERM, EPERM } },
    { "load a library", load_library, 0, { 0, 0, 0, EPERM, EPERM, EPERM, EPERM } },
    { "threads", threads, 0, OPEN },
    { "raise", raise_signal, 0, OPEN },
    { "resolve", resolve_name, 0, OPEN },
    { "pass a descriptor", pass_descriptor, 0, OPEN },
};

static void go_through(int stage) {
    struct err e = { 0 };
    const struct sandbox_path session[] = { { drives, SANDBOX_WRITE } };
    const struct sandbox_path connection[] = { { drive, SANDBOX_WRITE },
                                               { "/missing", SANDBOX_READ } };
    const struct sandbox_profile a = { .paths = session,
                                       .path_count = ARRAY_LEN(session),
                                       .any_connect = true,
                                       .datagrams = true,
                                       .servers = true,
                                       .libraries = true,
                                       .fonts = true,
                                       .tls = true };
    const struct sandbox_profile a2 = { .paths = connection,
                                        .path_count = ARRAY_LEN(connection),
                                        .connect_ports = &port,
                                        .connect_port_count = 1,
                                        .libraries = true };
    const struct sandbox_options o = { .denylist_only = stage == B_DENYLIST };
    if (stage == NONE)
        return;
    if (sandbox_begin(&e) < 0 || sandbox_enter(&a, &o, &e) < 0)
        fatal(&e);
    if (stage != A && sandbox_narrow(&a2, &e) < 0)
        fatal(&e);
    unsigned needs = stage == B_SOCKETS ? SANDBOX_NEED_SOCKETS
                     : stage == B_FILES ? SANDBOX_NEED_FILES
                                        : 0;
    if (stage >= B && sandbox_lock(needs, &o, &e) < 0)
        fatal(&e);
}

START_TEST(the_table) {
    int wrong = 0, abi = sandbox_landlock_abi();
    for (enum stage stage = NONE; stage < STAGES; stage++) {
#ifdef GUAC_SANITIZER
        if (stage >= B)
            continue; /* left out of these builds */
#endif
        for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
            const struct probe *p = &probes[i];
            int want = p->expect[stage];
            if (want == ANY || (stage != NONE && abi < p->abi))
                continue;
            int got = in_child_after(go_through, (int)stage, p->fn);
            unlink(own_socket);
            if (got != want) {
                wrong++;
                fprintf(stderr, "stage %s: %s: %s instead of %s\n", stage_names[stage], p->name,
                        got ? strerror(got) : "open", want ? strerror(want) : "open");
            }
        }
    }
    ck_assert_int_eq(wrong, 0);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("base/sandbox");
    TCase *c = tcase_create("sandbox");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, the_table);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
