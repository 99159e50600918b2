"""Includes point downwards only, and each third-party library's headers have one home. The tables are
ARCHITECTURE.md's; change them there first. Usage: layers.py FILE... ; one line a fault."""
import os
import re
import sys

# Folder (longest prefix wins) -> what it may include beside itself.
BASE = ["guacd/base/"]
PROTO = [*BASE, "guacd/proto/"]
DISPLAY = [*PROTO, "guacd/display/"]
TERM = [*DISPLAY, "guacd/term/"]
SESSION = [*DISPLAY, "recording/tap.h", "guacd/daemon/child.h"]
BACKEND = [*TERM, "guacd/session/backend.h", "guacd/session/files.h"]
DESKTOP = [*BACKEND, "guacd/backends/cert/", "guacd/backends/clip/",
           "guacd/backends/sftp/beside.h"]
EVIDENCE = [f"recording/{n}.h" for n in ("statement", "dsse", "sign", "name", "merkle", "tap",
                                              "leaf", "list", "note", "proof")]
LAYERS = {
    "guacd/base/": [],
    "guacd/proto/": BASE,
    "guacd/display/": PROTO,
    "guacd/term/": DISPLAY,
    "guacd/session/": SESSION,
    "guacd/backends/": BACKEND,
    "guacd/backends/vnc/": DESKTOP,
    "guacd/backends/rdp/": DESKTOP,
    "guacd/backends/ssh/": [*BACKEND, "guacd/backends/console/", "guacd/backends/sftp/"],
    "guacd/backends/sftp/": BACKEND,
    "guacd/backends/kubernetes/": [*BACKEND, "guacd/backends/console/"],
    "guacd/daemon/": PROTO,
    "recording/": PROTO,
    "recording/recorder/": [*PROTO, "recording/"],
    "recording/evidence/": [*PROTO, "recording/"],
    "crd/": PROTO,
    "proxy/proxy/": PROTO,
    "proxy/authd/": [*PROTO, "crd/", *EVIDENCE],
    "deploy/": PROTO,
    "deploy/crd/": [*PROTO, "crd/"],
    "deploy/import/": [*PROTO, "crd/"],
}

# Header -> folders or files that may name it. Whatever matches none is libc's or the kernel's.
HOMES = [
    (r"libssh2", ["guacd/backends/ssh/", "guacd/backends/sftp/"]),
    (r"freerdp/|winpr/", ["guacd/backends/rdp/"]),
    (r"rfb/|gcrypt|gnutls/", ["guacd/backends/vnc/"]),
    (r"vterm\.h|ft2build|freetype/|fontconfig/", ["guacd/term/"]),
    (r"png\.h|jpeglib|webp/|pixman", ["guacd/display/"]),
    (r"libdeflate", ["guacd/display/", "guacd/term/"]),
    (r"seccomp|linux/landlock", ["guacd/base/"]),
    (r"curl/", ["guacd/base/"]),
    (r"jansson", ["guacd/base/", "guacd/session/", "guacd/daemon/opener", "recording/", "crd/", "proxy/",
                  "deploy/import/"]),
    (r"openssl/ssl|openssl/bio",
     ["guacd/session/link.c", "guacd/session/link_tls.c", "guacd/backends/kubernetes/stream.c",
      "proxy/proxy/"]),
    (r"openssl/", ["guacd/base/", "guacd/session/link", "guacd/session/files",
                   "guacd/backends/kubernetes/",
                   "guacd/backends/rdp/cert.c", "recording/", "proxy/authd/",
                   "proxy/proxy/"]),
    (r"libwebsockets|uv\.h", ["proxy/proxy/"]),
    (r"yaml", ["crd/"]),
    (r"expat", ["deploy/import/"]),
    (r"zstd", ["recording/"]),
    (r"sqlite3", ["recording/evidence/"]),
    (r"check\.h", []),
]
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def layer_of(path):
    return max((p for p in LAYERS if path.startswith(p)), key=len, default=None)


def unit_of(path):
    """The folder below which files see each other."""
    layer = layer_of(path)
    if path.startswith("guacd/backends/"):
        return "/".join(path.split("/")[:3]) + "/"
    return layer


def check_own(path, target):
    if target.startswith("tests/"):
        return "tests are not included by what they test"
    if layer_of(path) is None:
        return None
    if layer_of(target) is None:
        return "it belongs to no layer"
    if target.startswith(unit_of(path)):
        deeper = layer_of(target) != layer_of(path)
        return "a program's own headers stay in its folder" if deeper else None
    allowed = LAYERS[layer_of(path)]
    return None if any(target.startswith(a) for a in allowed) else "includes point downwards only"


def check_foreign(path, header):
    for pattern, homes in HOMES:
        if re.match(pattern, header):
            if any(path.startswith(h) for h in homes):
                return None
            return f"its home is {', '.join(homes) or 'tests/'}"
    return None


def main():
    faults = 0
    for path in sys.argv[1:]:
        if not path.endswith((".c", ".h")) or path.startswith("tests/"):
            continue
        if layer_of(path) is None:
            print(f"{path}: belongs to no layer of ARCHITECTURE.md")
            faults += 1
            continue
        with open(path, errors="replace") as f:
            for number, line in enumerate(f, 1):
                m = INCLUDE.match(line)
                if not m:
                    continue
                if m[1] == "<":
                    why = check_foreign(path, m[2])
                elif not os.path.exists(m[2]):
                    why = "it is not there: say it from the top of the tree"
                else:
                    why = check_own(path, m[2])
                if why:
                    print(f"{path}:{number}: {m[2]}: {why}")
                    faults += 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
