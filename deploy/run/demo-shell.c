/* The demo target's login shell: a person tries the gateway on his own machine, so the shell must
 * not read the gateway's files or his. As root it becomes nobody; always it is jailed by Landlock
 * to the system's programs and its own folder, without network. sshd starts it as ForceCommand. */
#include <errno.h>
#include <sys/stat.h>

#include "deploy/run/demo.h"
#include "guacd/base/util.h"

static int become_nobody(void) {
    for (int fd = 0; fd < 3; fd++)
        if (isatty(fd))
            (void)!fchown(fd, NOBODY, (gid_t)-1);
    return demo_become_nobody();
}

static int jail(const char *home, struct err *e) {
    const char *tty = ttyname(0); /* this one, not the person's other terminals */
    const struct sandbox_path paths[] = {
        DEMO_SYSTEM_PATHS,
        { "/dev/tty", SANDBOX_WRITE },
        { tty ? tty : "/dev/null", SANDBOX_WRITE },
        { home, SANDBOX_WRITE },
    };
    const struct sandbox_profile profile = { .paths = paths,
                                             .path_count = ARRAY_LEN(paths),
                                             .libraries = true };
    return sandbox_begin(e) < 0              ? -1
           : sandbox_narrow(&profile, e) < 0 ? -1
                                             : sandbox_deny_sockets(e);
}

int main(int argc, char **argv) {
    struct err e = { 0 };
    if (argc != 2) {
        fprintf(stderr, "usage: guac-demo-shell HOME\n");
        return 2;
    }
    if (geteuid() == 0 && become_nobody() < 0) {
        perror("guac-demo-shell: cannot become nobody");
        return 1;
    }
    if (jail(argv[1], &e) < 0) {
        fprintf(stderr, "guac-demo-shell: %s\n", e.text);
        return 1;
    }
    if (sandbox_landlock_abi() == 0) {
        fprintf(stderr, "guac-demo-shell: this kernel has no Landlock, so a demo shell could read "
                        "your files. Use a target of your own instead.\n");
        return 1;
    }
    if (chdir(argv[1]) < 0) {
        perror(argv[1]);
        return 1;
    }
    const char *command = getenv("SSH_ORIGINAL_COMMAND"), *term = getenv("TERM"),
               *lang = getenv("LANG"), *tz = getenv("TZ");
    char home[4200], rc[4200], term_is[128], lang_is[128], tz_is[128];
    snprintf(home, sizeof home, "HOME=%s", argv[1]);
    snprintf(rc, sizeof rc, "%s/.bashrc", argv[1]);
    snprintf(term_is, sizeof term_is, "TERM=%s", term ? term : "xterm-256color");
    snprintf(lang_is, sizeof lang_is, "LANG=%s", lang ? lang : "C.UTF-8");
    snprintf(tz_is, sizeof tz_is, "TZ=%s", tz ? tz : "");
    char path[] = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/games", user[] = "USER=demo",
         shell[] = "SHELL=/bin/bash";
    char *env[] = { home, term_is, lang_is, path, user, shell, tz ? tz_is : NULL, NULL };
    char bash[] = "bash", dash_c[] = "-c", rcfile[] = "--rcfile", interactive[] = "-i";
    char *with_command[] = { bash, dash_c, (char *)(uintptr_t)command, NULL };
    char *interactively[] = { bash, rcfile, rc, interactive, NULL };
    execve("/bin/bash", command ? with_command : interactively, env);
    perror("/bin/bash");
    return 1;
}
