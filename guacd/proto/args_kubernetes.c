/* Kubernetes exec and attach. */
#include "guacd/proto/args_tables.h"

#include "guacd/base/util.h"

static const struct arg_spec rows[] = {
    { "hostname", ARG_STRING, ARG_HOST, "", ARG_ANY, NULL, "Name or address of the API server." },
    { "port", ARG_INT, ARG_HOST, "8080", ARG_PORT, NULL, "Its TCP port." },
    { "namespace", ARG_STRING, 0, "default", ARG_ANY, NULL, "Namespace of the pod." },
    { "pod", ARG_STRING, 0, "", ARG_ANY, NULL, "Name of the pod." },
    { "pod-selector", ARG_STRING, 0, "", ARG_ANY, NULL,
      "Labels to choose a ready pod by: app=shop,tier=web. Beside pod: that pod must have them." },
    { "deployment", ARG_STRING, 0, "", ARG_ANY, NULL,
      "Deployment to choose a ready pod of, when pod-selector is empty." },
    { "statefulset", ARG_STRING, 0, "", ARG_ANY, NULL,
      "StatefulSet to choose a ready pod of, when both of those are empty." },
    { "container", ARG_STRING, 0, "", ARG_ANY, NULL,
      "Container in the pod; when empty the pod's default, or a question." },
    { "exec-command", ARG_TEXT, 0, "", ARG_ANY, NULL,
      "Command to run by exec, its words as a shell would cut them (quotes, backslashes, nothing "
      "else); attach to the container's own process when empty." },
    { "use-ssl", ARG_BOOL, 0, "false", ARG_ANY, NULL, "TLS to the API server." },
    { "client-cert", ARG_TEXT, 0, "", ARG_ANY, NULL, "Client certificate, PEM." },
    { "client-key", ARG_TEXT, ARG_SECRET, "", ARG_ANY, NULL, "Its private key, PEM." },
    { "ca-cert", ARG_TEXT, 0, "", ARG_ANY, NULL, "The cluster's own CA, PEM." },
    { "ignore-cert", ARG_BOOL, 0, "false", ARG_ANY, NULL,
      "Accept any certificate of the server: anybody between may listen." },
    { "token", ARG_TEXT, ARG_SECRET, "", ARG_ANY, NULL,
      "Bearer token of a service account or of the user." },
    { "impersonate-user", ARG_STRING, 0, "", ARG_ANY, NULL,
      "User that the cluster's access rules and audit log shall see." },
    { "impersonate-groups", ARG_STRING, 0, "", ARG_ANY, NULL,
      "That user's groups, separated by commas or lines." },
    { "impersonate-uid", ARG_STRING, 0, "", ARG_ANY, NULL, "That user's uid." },
    { "impersonate-extra", ARG_TEXT, 0, "", ARG_ANY, NULL,
      "What else the cluster's audit log shall hold of that user: lines of key=value." },
    { "proxy-hostname", ARG_STRING, ARG_HOST, "", ARG_ANY, NULL,
      "HTTP proxy (CONNECT) on the way to the API server." },
    { "proxy-port", ARG_INT, ARG_HOST, "3128", ARG_PORT, NULL, "Its TCP port." },
    { "enable-files", ARG_BOOL, 0, "false", ARG_ANY, NULL,
      "Files of the container, moved as kubectl cp does: by tar there." },
    { "files-directory", ARG_STRING, 0, "/tmp", ARG_ANY, NULL,
      "Folder of the container that files dropped onto the terminal go to." },
    { "disable-download", ARG_BOOL, 0, "false", ARG_ANY, NULL, "No file leaves the container." },
    { "disable-upload", ARG_BOOL, 0, "false", ARG_ANY, NULL, "No file reaches the container." },
    { "timeout", ARG_INT, 0, "10", 1, 300, NULL, "Seconds to wait for an answer." },
    { "server-alive-interval", ARG_INT, 0, "25", 0, 86400, NULL,
      "Seconds between keep-alive messages to the API server; 0 for none." },
};

const struct arg_table args_kubernetes = { rows, ARRAY_LEN(rows) };
