/* GuacamoleConnection (catalyst.openova.io/v1alpha1), typed. A wrong resource becomes a connection
 * with errors: it is listed with all of them and opens for nobody. Immutable once made, shared by
 * reference count from any thread. */
#ifndef GUAC_CRD_CONNECTION_H
#define GUAC_CRD_CONNECTION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "crd/schema.h"
#include "guacd/proto/args.h"

#define CRD_GROUP "catalyst.openova.io"
#define CRD_VERSION "catalyst.openova.io/v1alpha1"
#define CONNECTION_SPEC_MAX 65536 /* bytes of a spec as canonical JSON */
#define CONNECTION_BUCKET "guacamole-recordings"
#define CONNECTION_RETENTION_DAYS 365

enum connection_credentials {
    CREDENTIALS_PROMPT,
    CREDENTIALS_SECRET,
    CREDENTIALS_CERTIFICATE, /* ssh: issued for this session only, its principal is the user */
    CREDENTIALS_KUBERNETES   /* by `kubernetes_as` */
};
enum connection_kubernetes_as {
    KUBERNETES_SERVICE_ACCOUNT,   /* the gateway's own token, to the cluster it runs in only */
    KUBERNETES_IMPERSONATION,     /* that token, and the person by name and groups; likewise */
    KUBERNETES_USER_TOKEN,        /* the person's own token, to clusters that authd lists */
    KUBERNETES_CLIENT_CERTIFICATE /* client-cert and client-key of `secret` */
};
enum connection_on_leave { MODERATION_PAUSE, MODERATION_END };
enum connection_keys { RECORD_KEYS_FULL, RECORD_KEYS_MASKED, RECORD_KEYS_OFF };
enum connection_unknown_key { HOST_KEY_REFUSE, HOST_KEY_ASK };

struct connection {
    _Atomic unsigned refs;
    char *namespace, *name; /* never NULL; of a document without a name: "" and its place */
    char *uid, *version;    /* of the API server, or made from the folder's content */
    char *title;            /* annotation catalyst.openova.io/title; the name when there is none */
    char *source;           /* "file.yaml:12", for messages */
    const struct protocol *protocol; /* NULL only with errors */
    char *hostname;                  /* NULL where the protocol has none */
    uint16_t port;                   /* 0 where the protocol has none */
    json_t *roles;                   /* audience.keycloakRoles */
    char *environment;               /* NULL: none */
    struct {
        bool enabled;
        char *bucket;
        int retention_days;
        enum connection_keys keys;
    } recording;
    struct {
        json_t *approvers; /* empty: no approval needed */
        int max_minutes;   /* 0: not said */
    } jit;
    struct {
        enum connection_credentials from;
        enum connection_kubernetes_as kubernetes_as; /* with CREDENTIALS_KUBERNETES */
        char *secret;                                /* name in the connection's own namespace */
        char *username;                              /* NULL: asked, or in the secret */
    } credentials;
    /* Where in the cluster; NULL: not said. `parameters` carries namespace, pod, pod-selector and
     * container, too. Of pod, selector, deployment and stateful_set at most one is said; none only
     * where the person may choose the pod. */
    struct {
        bool there;
        char *namespace, *pod, *selector, *deployment, *stateful_set, *container;
        json_t *command;  /* its words; empty: attach, or parameters' exec-command */
        json_t *choose;   /* "namespace", "pod", "container", "command": what a person may choose */
        bool without_jit; /* no approval, also where policies rule its environment */
    } kubernetes;
    struct {
        bool copy, paste; /* copy: out of the target */
    } clipboard;
    struct {
        bool upload, download;
        int max_mib; /* of one file; 0: no limit */
    } files;
    struct {
        int idle_minutes, max_minutes;  /* 0: no limit */
        int per_person, per_connection; /* sessions at one time, over all replicas; 0: no limit */
    } limits;
    struct {
        bool there;    /* somebody of `roles` has to be present, or input pauses */
        json_t *roles; /* realm or client roles, as in audience */
        enum connection_on_leave on_leave;
    } moderation;
    struct {
        bool there;
        char *text; /* with {name}, {sub}, {connection}, {session}, {address}, {time} */
    } watermark;
    struct {
        char *acr;           /* the sign-in's acr claim must be this; NULL: any */
        int max_age_minutes; /* since the person typed a credential; 0: any */
    } step_up;
    struct {
        bool fail_closed; /* a view of the locks older than 5 minutes counts as locked */
    } locks;
    struct {
        json_t *keys; /* accepted host keys, OpenSSH's public key lines */
        enum connection_unknown_key unknown;
    } host_key;
    json_t *parameters;   /* name -> value as text, all checked */
    json_t *spec;         /* as read, secrets redacted; {} when there was none */
    char spec_sha256[65]; /* of `spec` as canonical JSON */
    json_t *errors;       /* sentences with paths; empty: usable */
};

extern const struct schema connection_schema;        /* of spec, into struct connection */
extern const struct schema connection_status_schema; /* described, never read */

/* From one resource. Never fails but for want of memory (NULL): what is wrong goes to `errors`. */
struct connection *connection_read(const json_t *resource, const char *source);
/* A connection that cannot be read at all (its file is malformed): listed under its name. */
struct connection *connection_broken(const char *namespace, const char *name, const char *source,
                                     const char *error);
struct connection *connection_ref(struct connection *c);
void connection_unref(struct connection *c); /* NULL is fine */
static inline bool connection_usable(const struct connection *c) {
    return json_array_size(c->errors) == 0;
}
const char *connection_keys_name(enum connection_keys k); /* "full", "masked", "off" */
/* "hostname:port", "[v6]:port", or the protocol's name where nothing is dialled. */
void connection_target(const struct connection *c, char *out, size_t size);

#endif
