/* Every field of a GuacamoleConnection: its type, bounds, default and meaning. */
#include "crd/connection.h"

#include "guacd/base/util.h"

#define MINUTES_MAX 10080 /* a week */
#define AT(member) .offset = offsetof(struct connection, member)
#define SIZED(member) AT(member), .size = sizeof((struct connection *)NULL)->member
#define NOWHERE .offset = SCHEMA_NOWHERE

/* ROW(path, type, member or NOWHERE, more…, help) keeps the rows one or two lines long. */
#define ROW(path_, type_, help_, ...) \
    { .path = path_, .type = SCHEMA_##type_, .help = help_, __VA_ARGS__ }

static const struct schema_row rows[] = {
    ROW("protocol", TEXT, "What the target speaks: rdp, vnc, ssh, kubernetes.", NOWHERE,
        .flags = SCHEMA_NEEDED | SCHEMA_HAND, .max = 32),
    ROW("hostname", TEXT, "The target's name or address, without port and brackets.", AT(hostname),
        .max = 253, .format = &schema_host),
    ROW("port", INT, "Its TCP port; the protocol's usual one when absent.", SIZED(port), .min = 1,
        .max = 65535),

    ROW("audience", OBJECT, "Who may open it.", NOWHERE, .flags = SCHEMA_NEEDED),
    ROW("audience.keycloakRoles", TEXTS, "Realm or client roles; one of them is enough.", AT(roles),
        .flags = SCHEMA_NEEDED, .max = 64),

    ROW("recording", OBJECT, "What is kept of its sessions.", NOWHERE),
    ROW("recording.enabled", BOOL, "Record picture, sound, text and transfers.",
        AT(recording.enabled), .def = true),
    ROW("recording.bucket", TEXT, "Bucket the recordings go to.", AT(recording.bucket), .max = 63,
        .text = CONNECTION_BUCKET, .format = &schema_bucket),
    ROW("recording.retentionDays", INT, "Days for which nobody can delete them.",
        SIZED(recording.retention_days), .min = 1, .max = 36500, .def = CONNECTION_RETENTION_DAYS),
    ROW("recording.keys", CHOICE, "Typed keys: all, all but likely secrets, none.",
        AT(recording.keys), .choices = "full|masked|off", .def = RECORD_KEYS_MASKED),

    ROW("jit", OBJECT, "Just-in-time access: each session needs approvals.", NOWHERE),
    ROW("jit.requiredApprovers", TEXTS,
        "Roles or groups; one approval from each, by different people, none of them who asks.",
        AT(jit.approvers), .flags = SCHEMA_NEEDED, .max = 64),
    ROW("jit.maxDurationMinutes", INT, "Longest time that may be asked for.",
        SIZED(jit.max_minutes), .min = 1, .max = MINUTES_MAX),

    ROW("environment", TEXT, "Environment whose EnvironmentPolicy rules it.", AT(environment),
        .max = 63),
    ROW("parameters", OPEN, "The protocol's parameters by Guacamole's own names.", NOWHERE),

    ROW("credentials", OBJECT, "How the gateway signs in at the target.", NOWHERE),
    ROW("credentials.from", CHOICE,
        "prompt asks the person; secret reads a Secret; certificate issues an SSH certificate for "
        "this session; kubernetes uses an identity of the cluster.",
        AT(credentials.from), .choices = "prompt|secret|certificate|kubernetes", .def = -1),
    ROW("credentials.secretRef", OBJECT,
        "A Secret of the connection's own namespace; its keys are parameter names.", NOWHERE),
    ROW("credentials.secretRef.name", TEXT, "Its name.", AT(credentials.secret),
        .flags = SCHEMA_NEEDED, .max = 253, .format = &schema_subdomain),
    ROW("credentials.username", TEXT, "User name at the target; asked for when absent.",
        AT(credentials.username), .max = 255),
    ROW("credentials.kubernetes", CHOICE,
        "Whose identity the cluster sees: the gateway's service account, the person by "
        "impersonation, the person's own token, or a client certificate from the Secret.",
        AT(credentials.kubernetes_as),
        .choices = "serviceAccount|impersonation|userToken|clientCertificate",
        .def = KUBERNETES_IMPERSONATION),

    ROW("kubernetes", OBJECT, "Where in the cluster a shell opens.", AT(kubernetes.there)),
    ROW("kubernetes.namespace", TEXT, "Namespace of the pod; default when absent.",
        AT(kubernetes.namespace), .max = 63, .format = &schema_label),
    ROW("kubernetes.pod", TEXT, "Name of the pod.", AT(kubernetes.pod), .max = 253,
        .format = &schema_subdomain),
    ROW("kubernetes.selector", TEXT, "Labels of which one ready pod is taken.",
        AT(kubernetes.selector), .max = 1024, .format = &schema_selector),
    ROW("kubernetes.deployment", TEXT, "Deployment of which one ready pod is taken.",
        AT(kubernetes.deployment), .max = 253, .format = &schema_subdomain),
    ROW("kubernetes.statefulSet", TEXT, "StatefulSet of which one ready pod is taken.",
        AT(kubernetes.stateful_set), .max = 253, .format = &schema_subdomain),
    ROW("kubernetes.container", TEXT, "Container; the pod's default one when absent.",
        AT(kubernetes.container), .max = 63, .format = &schema_label),
    ROW("kubernetes.command", TEXTS, "Command and its words; attach when absent.",
        AT(kubernetes.command), .max = 32),
    ROW("kubernetes.choose", TEXTS,
        "What the person may choose in the page: namespace, pod, container, command.",
        AT(kubernetes.choose), .max = 4, .choices = "namespace|pod|container|command"),
    ROW("kubernetes.withoutJit", BOOL,
        "Opens without an approval, also where policies rule the environment.",
        AT(kubernetes.without_jit)),

    ROW("clipboard", OBJECT, "Copy and paste, each direction by itself.", NOWHERE),
    ROW("clipboard.copy", BOOL, "From the target to the browser.", AT(clipboard.copy), .def = true),
    ROW("clipboard.paste", BOOL, "From the browser to the target.", AT(clipboard.paste),
        .def = true),
    ROW("files", OBJECT, "File transfer, each direction by itself.", NOWHERE),
    ROW("files.upload", BOOL, "From the browser to the target.", AT(files.upload), .def = true),
    ROW("files.download", BOOL, "From the target to the browser.", AT(files.download), .def = true),
    ROW("files.maxMebibytes", INT, "Size that one transferred file may have.", SIZED(files.max_mib),
        .min = 1, .max = 1048576),

    ROW("limits", OBJECT, "Times and numbers.", NOWHERE),
    ROW("limits.idleMinutes", INT, "Minutes without input after which a session ends.",
        SIZED(limits.idle_minutes), .min = 1, .max = MINUTES_MAX),
    ROW("limits.maxMinutes", INT, "Longest session.", SIZED(limits.max_minutes), .min = 1,
        .max = MINUTES_MAX),
    ROW("limits.sessionsPerPerson", INT, "Sessions that one person may have here at one time.",
        SIZED(limits.per_person), .min = 1, .max = 1000),
    ROW("limits.sessionsPerConnection", INT, "Sessions that all together may have at one time.",
        SIZED(limits.per_connection), .min = 1, .max = 10000),

    ROW("moderation", OBJECT, "Input waits until a moderator watches.", AT(moderation.there)),
    ROW("moderation.roles", TEXTS, "Roles that may moderate.", AT(moderation.roles),
        .flags = SCHEMA_NEEDED, .max = 64),
    ROW("moderation.onLeave", CHOICE, "When the last moderator leaves: input pauses, or it ends.",
        AT(moderation.on_leave), .choices = "pause|end", .def = MODERATION_PAUSE),

    ROW("watermark", OBJECT, "A text over the picture that names who looks at it.",
        AT(watermark.there)),
    ROW("watermark.text", TEXT,
        "With {name}, {sub}, {connection}, {session}, {address} and {time}, replaced.",
        AT(watermark.text), .max = 200, .text = "{name} {time}", .format = &schema_watermark),

    ROW("stepUp", OBJECT, "A stronger or fresher sign-in.", NOWHERE),
    ROW("stepUp.acr", TEXT, "Authentication class that the sign-in must have.", AT(step_up.acr),
        .max = 255),
    ROW("stepUp.maxAgeMinutes", INT, "Minutes since the person signed in by hand.",
        SIZED(step_up.max_age_minutes), .min = 1, .max = MINUTES_MAX),

    ROW("locks", OBJECT, "What counts when locks cannot be seen.", NOWHERE),
    ROW("locks.failClosed", BOOL, "Refuse when the newest view of the locks is 5 minutes old.",
        AT(locks.fail_closed)),

    ROW("hostKey", OBJECT, "How the target proves itself (ssh).", NOWHERE),
    ROW("hostKey.keys", TEXTS, "Accepted keys, lines such as 'ssh-ed25519 AAAA…'.", NOWHERE,
        .flags = SCHEMA_HAND, .max = 16),
    ROW("hostKey.unknown", CHOICE, "A key that is not known: refuse it, or ask the person.",
        AT(host_key.unknown), .choices = "refuse|ask", .def = HOST_KEY_REFUSE),
};

const struct schema connection_schema = { rows, ARRAY_LEN(rows) };

static const struct schema_row condition[] = {
    ROW("type", TEXT, "Ready.", NOWHERE, .flags = SCHEMA_NEEDED, .max = 63),
    ROW("status", TEXT, "True or False.", NOWHERE, .flags = SCHEMA_NEEDED, .max = 7),
    ROW("reason", TEXT, "Valid or Invalid.", NOWHERE, .flags = SCHEMA_NEEDED, .max = 63),
    ROW("message", TEXT, "All errors.", NOWHERE, .flags = SCHEMA_NEEDED, .max = 32768),
    ROW("lastTransitionTime", TIME, "When the status changed.", NOWHERE, .flags = SCHEMA_NEEDED),
    ROW("observedGeneration", INT, "The generation it speaks of.", NOWHERE, .max = __LONG_MAX__),
};

static const struct schema_row status[] = {
    ROW("observedGeneration", INT, "The generation the gateway has seen.", NOWHERE,
        .flags = SCHEMA_HAND, .max = __LONG_MAX__),
    ROW("conditions", LIST, "Ready, with reason and all errors.", NOWHERE, .flags = SCHEMA_HAND,
        .max = 8, .entry = { condition, ARRAY_LEN(condition) }),
    ROW("errors", TEXTS, "Every error by itself.", NOWHERE, .flags = SCHEMA_HAND, .max = 65),
    ROW("activeSessions", INT, "Sessions that run.", NOWHERE, .flags = SCHEMA_HAND, .max = 100000),
    ROW("lastRecording", TEXT, "Address of the newest recording.", NOWHERE, .flags = SCHEMA_HAND,
        .max = 1024),
};

const struct schema connection_status_schema = { status, ARRAY_LEN(status) };
