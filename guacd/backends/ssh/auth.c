/* Who logs in, and how: key, password, keyboard-interactive, in the order the server still asks
 * for. A configured password is tried once; what a person types may be wrong twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "guacd/backends/ssh/ssh.h"
#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define TRIES 3
#define STEP_MS 60000 /* for the server to say yes or no */

struct login {
    struct ssh *c;
    struct err *e;
    char methods[256]; /* what the server would take next */
    char first[256];   /* … in the beginning */
    bool key_done, prompts_done, password_used;
    int asked;        /* questions answered wrongly so far */
    bool failed;      /* a prompt could not be asked: e says why */
    bool interactive; /* the last exchange asked the person something */
};

static void forget(char *secret) {
    if (secret)
        secret_wipe(secret, strlen(secret));
    free(secret);
}

/* libssh2 1.11 does not free the list before it asks for the next one. */
static void libssh2_forgets(const void *block) {
#ifdef __SANITIZE_ADDRESS__
    __lsan_ignore_object(block);
#else
    (void)block;
#endif
}

static int list_methods(struct login *l) {
    struct ssh *c = l->c;
    uint64_t deadline = clock_ms() + STEP_MS;
    for (;;) {
        const char *m = libssh2_userauth_list(c->lib, c->username, (unsigned)strlen(c->username));
        if (m) {
            libssh2_forgets(m);
            snprintf(l->methods, sizeof l->methods, "%s", m);
            return 0;
        }
        if (libssh2_userauth_authenticated(c->lib)) {
            l->methods[0] = '\0';
            return 0;
        }
        int rc = libssh2_session_last_errno(c->lib);
        if (rc != LIBSSH2_ERROR_EAGAIN)
            return ssh_error(c, rc, "asking for the ways to log in", l->e);
        if (ssh_wait(c, deadline, l->e))
            return -1;
    }
}

static bool offers(const struct login *l, const char *method) {
    size_t n = strlen(method);
    for (const char *p = l->methods; *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ','))
        if (strncmp(p, method, n) == 0 && (p[n] == ',' || !p[n]))
            return true;
    return false;
}

/* 1: in, 0: refused (perhaps only half the way: list again), -1: broken. */
static int verdict(struct login *l, int rc, const char *what) {
    if (rc == 0)
        return 1;
    if (l->failed)
        return -1;
    if (rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED || rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED ||
        rc == LIBSSH2_ERROR_PASSWORD_EXPIRED)
        return 0;
    return ssh_error(l->c, rc, what, l->e);
}

/* ---- keys -------------------------------------------------------------------------------------
 */

static int try_key(struct login *l, const char *passphrase) {
    struct ssh *c = l->c;
    const char *priv = args_str(c->args, "private-key"), *pub = args_str(c->args, "public-key");
    uint64_t deadline = clock_ms() + STEP_MS;
    int rc;
    while ((rc = libssh2_userauth_publickey_frommemory(
                c->lib, c->username, strlen(c->username), *pub ? pub : NULL, strlen(pub), priv,
                strlen(priv), passphrase)) == LIBSSH2_ERROR_EAGAIN)
        if (ssh_wait(c, deadline, l->e))
            return -1;
    if (rc == LIBSSH2_ERROR_FILE || rc == LIBSSH2_ERROR_KEYFILE_AUTH_FAILED)
        return err_set(l->e, STATUS_CLIENT_UNAUTHORIZED,
                       "the private key cannot be read: wrong passphrase, or no key"),
               -2;
    return verdict(l, rc, "logging in by key");
}

static int by_key(struct login *l) {
    struct ssh *c = l->c;
    l->key_done = true;
    const char *phrase = args_str(c->args, "passphrase");
    if (*phrase || !key_encrypted(args_str(c->args, "private-key"))) {
        int r = try_key(l, *phrase ? phrase : NULL);
        return r == -2 ? -1 : r;
    }
    for (int i = 0; i < TRIES; i++) {
        char *typed = NULL;
        if (session_ask_text(c->s, "passphrase", "Passphrase of the private key", false, &typed,
                             l->e))
            return -1;
        int r = try_key(l, typed);
        forget(typed);
        if (r != -2)
            return r;
    }
    return -1;
}

/* ---- passwords --------------------------------------------------------------------------------
 */

static int try_password(struct login *l, const char *password) {
    struct ssh *c = l->c;
    uint64_t deadline = clock_ms() + STEP_MS;
    int rc;
    while ((rc = libssh2_userauth_password_ex(c->lib, c->username, (unsigned)strlen(c->username),
                                              password, (unsigned)strlen(password), NULL)) ==
           LIBSSH2_ERROR_EAGAIN)
        if (ssh_wait(c, deadline, l->e))
            return -1;
    if (rc == LIBSSH2_ERROR_PASSWORD_EXPIRED)
        log_warning("the password of %s has expired; it is changed by keyboard-interactive only",
                    c->username);
    return verdict(l, rc, "logging in by password");
}

static int by_password(struct login *l) {
    struct ssh *c = l->c;
    const char *given = args_str(c->args, "password");
    if (*given && !l->password_used) {
        l->password_used = true;
        return try_password(l, given);
    }
    char text[320], *typed = NULL;
    snprintf(text, sizeof text, "Password of %s at %s", c->username, c->host);
    l->interactive = true;
    l->asked++;
    if (session_ask_text(c->s, "password", text, false, &typed, l->e)) {
        l->failed = true;
        return -1;
    }
    int r = try_password(l, typed);
    forget(typed);
    return r;
}

static bool mentions(const char *text, size_t len, const char *word) {
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= len; i++)
        if (strncasecmp(text + i, word, n) == 0)
            return true;
    return false;
}

/* The one hidden question of an exchange is for the password, unless it says otherwise. */
static bool is_password_prompt(const LIBSSH2_USERAUTH_KBDINT_PROMPT *p) {
    static const char *const others[] = { "code",      "token", "otp",   "one-time", "pin",
                                          "challenge", "new ",  "again", "retype" };
    const char *text = (const char *)p->text;
    if (p->echo)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (mentions(text, p->length, others[i]))
            return false;
    return true;
}

/* One prompt of the server's, cleaned of what is not to be printed. */
static char *question(const char *name, int name_len, const char *about, int about_len,
                      const LIBSSH2_USERAUTH_KBDINT_PROMPT *p) {
    struct buf b;
    buf_init(&b, 2048);
    const struct slice parts[] = { { name, (size_t)name_len },
                                   { about, (size_t)about_len },
                                   { (const char *)p->text, p->length } };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (b.len && parts[i].len)
            buf_putc(&b, '\n');
        for (size_t k = 0; k < parts[i].len; k++) {
            char ch = parts[i].data[k];
            if ((unsigned char)ch >= 0x20 || ch == '\n')
                buf_putc(&b, ch);
        }
    }
    while (b.len && strchr(" \n", b.data[b.len - 1]))
        b.len--;
    if (!b.len)
        buf_puts(&b, "The server asks");
    b.failed = false;
    return buf_steal(&b, NULL);
}

static void on_prompts(const char *name, int name_len, const char *about, int about_len, int count,
                       const LIBSSH2_USERAUTH_KBDINT_PROMPT *prompts,
                       LIBSSH2_USERAUTH_KBDINT_RESPONSE *responses, void **arg) {
    struct ssh *c = *arg;
    struct login *l = c->login;
    for (int i = 0; i < count; i++) {
        const LIBSSH2_USERAUTH_KBDINT_PROMPT *p = &prompts[i];
        bool password = is_password_prompt(p);
        const char *given = args_str(c->args, "password");
        char *answer = NULL;
        if (count == 1 && password && *given && !l->password_used) {
            l->password_used = true;
            answer = strdup(given);
        } else if (!l->failed) {
            _free_ char *text = question(name, name_len, about, about_len, p);
            char ask[32];
            snprintf(ask, sizeof ask, password ? "password" : "answer-%d", i + 1);
            l->interactive = true;
            if (session_ask_text(c->s, ask, text ? text : "", p->echo, &answer, l->e))
                l->failed = true;
        }
        size_t len = answer ? strlen(answer) : 0;
        responses[i].text = ssh_alloc(len + 1, arg); /* libssh2 frees it */
        responses[i].length = responses[i].text ? (unsigned)len : 0;
        if (responses[i].text)
            memcpy(responses[i].text, answer ? answer : "", len + 1);
        forget(answer);
    }
}

static int by_prompts(struct login *l) {
    struct ssh *c = l->c;
    uint64_t deadline = clock_ms() + STEP_MS;
    l->interactive = false;
    l->prompts_done = true;
    int rc;
    while ((rc = libssh2_userauth_keyboard_interactive_ex(c->lib, c->username,
                                                          (unsigned)strlen(c->username),
                                                          on_prompts)) == LIBSSH2_ERROR_EAGAIN) {
        if (l->failed)
            return -1;
        if (l->interactive)
            deadline = clock_ms() + STEP_MS;
        if (ssh_wait(c, deadline, l->e))
            return -1;
    }
    l->asked += l->interactive;
    return verdict(l, rc, "logging in by the server's questions");
}

/* ---- the way through --------------------------------------------------------------------------
 */

static int refused(struct login *l) {
    struct ssh *c = l->c;
    if (l->e->status) /* what was wrong with the key says more */
        return -1;
    return err_set(l->e, STATUS_CLIENT_UNAUTHORIZED, "%s refuses the login of %s%s%s", c->host,
                   c->username, l->methods[0] ? "; it would take: " : "", l->methods);
}

static int need_username(struct ssh *c, struct err *e) {
    const char *given = args_str(c->args, "username");
    if (*given) {
        c->username = strdup(given);
        return c->username ? 0 : err_set(e, 0, "no memory");
    }
    const char *names[] = { "username" };
    if (session_ask(c->s, names, 1, &c->username, e))
        return -1;
    if (!*c->username)
        return err_set(e, STATUS_CLIENT_UNAUTHORIZED, "no user name was given");
    return 0;
}

/* What to try next; NULL: nothing is left. A list other than the first one means that a factor was
 * accepted and another one is wanted, which only the person can give. */
static int (*next_way(const struct login *l))(struct login *) {
    const char *password = args_str(l->c->args, "password");
    bool unused = *password && !l->password_used;
    if (!l->key_done && *args_str(l->c->args, "private-key") && offers(l, "publickey"))
        return by_key;
    /* Questions first: there a second factor can be asked behind the password. */
    if (unused && !l->prompts_done && offers(l, "keyboard-interactive"))
        return by_prompts;
    if (unused && offers(l, "password"))
        return by_password;
    bool partial = strcmp(l->first, l->methods) != 0;
    if ((*password && !partial) || l->asked >= TRIES)
        return NULL;
    return offers(l, "keyboard-interactive") ? by_prompts
           : offers(l, "password")           ? by_password
                                             : NULL;
}

int ssh_login(struct ssh *c, struct err *e) {
    struct login l = { .c = c, .e = e };
    c->login = &l;
    if (need_username(c, e) || list_methods(&l))
        return -1;
    memcpy(l.first, l.methods, sizeof l.first);
    while (!libssh2_userauth_authenticated(c->lib)) {
        int (*way)(struct login *) = next_way(&l);
        if (!way)
            return refused(&l);
        int r = way(&l);
        if (r < 0)
            return -1;
        if (r == 0 && list_methods(&l))
            return -1;
    }
    return 0;
}
