/* VNC's own rows. */
#include "guacd/proto/args_tables.h"

#include "guacd/base/util.h"

static const struct arg_spec rows[] = {
    { "hostname", ARG_STRING, ARG_HOST, "", ARG_ANY, NULL,
      "Name or address of the VNC server or repeater." },
    { "port", ARG_INT, ARG_HOST, "5900", ARG_PORT, NULL, "Its TCP port." },
    { "username", ARG_STRING, 0, "", ARG_ANY, NULL, "User name, where the server asks for one." },
    { "password", ARG_TEXT, ARG_SECRET, "", ARG_ANY, NULL,
      "Password; asked when the server wants one and this is empty." },
    /* Ours: stock guacd knows no encrypted VNC. */
    { "ca-cert", ARG_TEXT, 0, "", ARG_ANY, NULL,
      "CA of the server's certificate, PEM, where it speaks VeNCrypt with X.509." },
    { "cert-fingerprints", ARG_STRING, 0, "", ARG_ANY, NULL,
      "SHA-256 fingerprints of certificates that are accepted, separated by blanks or commas." },
    { "encodings", ARG_STRING, 0, "", ARG_ANY, NULL,
      "Encodings offered, best first, separated by blanks; by the distance to it when empty." },
    { "color-depth", ARG_ENUM, 0, "", ARG_ANY, "8|16|24|32",
      "Bits a pixel on the wire; the server's own when empty." },
    { "swap-red-blue", ARG_BOOL, 0, "false", ARG_ANY, NULL,
      "For servers that mix up red and blue." },
    { "cursor", ARG_ENUM, 0, "local", ARG_ANY, "local|remote",
      "Who draws the pointer: the browser or the server." },
    { "autoretry", ARG_INT, 0, "0", 0, 100, NULL, "How often to try again to connect." },
    { "clipboard-encoding", ARG_ENUM, 0, "ISO8859-1", ARG_ANY, "ISO8859-1|UTF-8|UTF-16|CP1252",
      "Encoding of the clipboard, where the server does not say UTF-8." },
    { "dest-host", ARG_STRING, ARG_HOST, "", ARG_ANY, NULL,
      "Name or address that a repeater is asked for." },
    { "dest-port", ARG_INT, ARG_HOST, "", ARG_PORT, NULL, "Port that a repeater is asked for." },
    { "reverse-connect", ARG_BOOL, ARG_HOST, "false", ARG_ANY, NULL,
      "Listen on port for the server instead of connecting." },
    { "listen-timeout", ARG_INT, 0, "5000", 1, 3600000, NULL,
      "Milliseconds to wait for the server with reverse-connect." },
    { "disable-display-resize", ARG_BOOL, 0, "false", ARG_ANY, NULL,
      "The target keeps its size when the browser's window changes." },
    { "disable-server-input", ARG_BOOL, 0, "false", ARG_ANY, NULL,
      "Ask the server to ignore its own keyboard and mouse meanwhile." },
    { "force-lossless", ARG_BOOL, 0, "false", ARG_ANY, NULL, "Never send lossy pictures." },
    { "compress-level", ARG_INT, 0, "", 0, 9, NULL, "Compression asked of the server." },
    { "quality-level", ARG_INT, 0, "", 0, 9, NULL, "JPEG quality asked of the server." },
    { "enable-audio", ARG_BOOL, 0, "false", ARG_ANY, NULL,
      "Not done yet: no sound comes, and the log says so." },
    { "audio-servername", ARG_STRING, ARG_HOST, "", ARG_ANY, NULL,
      "Of enable-audio: a PulseAudio server." },
};

const struct arg_table args_vnc = { rows, ARRAY_LEN(rows) };
