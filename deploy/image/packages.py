"""What dpkg knows: which package a file is of, and what there is to say of that package."""
import os
import re
import subprocess

INFO = "/var/lib/dpkg/info"


def usual(path):
    """/lib/x and /usr/lib/x are one file where /lib is a link; lists of packages say either."""
    return re.sub(r"^/(bin|sbin|lib\w*)/", r"/usr/\1/", path) if os.path.islink("/lib") else path


class Packages:
    def __init__(self):
        self.by_path, self.lists = {}, {}
        for f in sorted(os.listdir(INFO)):
            if f.endswith(".list"):
                name = f[:-5].split(":")[0]
                with open(os.path.join(INFO, f), encoding="utf-8", errors="surrogateescape") as text:
                    paths = text.read().split("\n")
                self.lists[name] = paths
                for p in paths:
                    self.by_path[usual(p)] = name
        self.status = {}
        with open("/var/lib/dpkg/status", encoding="utf-8") as f:
            for stanza in f.read().split("\n\n"):
                name = re.match(r"Package: (\S+)", stanza)
                if name and re.search(r"^Status: .* installed$", stanza, re.M):
                    self.status[name.group(1)] = stanza + "\n"

    def files(self, name):
        if name not in self.status:
            raise SystemExit(f"image: the package {name} is missing: deploy/deps/deps.sh build run")
        return [usual(p) for p in self.lists[name] if p not in ("", "/.")]

    def owner(self, path):
        return self.by_path.get(usual(path)) or self.by_path.get(usual(os.path.realpath(path)))

    def about(self, name):
        stanza = self.status[name]

        def field(key, other=""):
            found = re.search(rf"^{key}: (.*)$", stanza, re.M)
            return found.group(1) if found else other
        source = field("Source", name).split(" ")
        paper = f"/usr/share/doc/{name}/copyright"
        return {"name": name, "version": field("Version"), "arch": field("Architecture"),
                "source": source[0], "home": field("Homepage"), "status": stanza,
                "supplier": field("Maintainer"),
                "copyright": os.path.realpath(paper) if os.path.exists(paper) else None}


def distribution():
    with open("/etc/os-release", encoding="utf-8") as f:
        return dict(re.findall(r'^(\w+)="?([^"\n]*)', f.read(), re.M))


def prefix_packages(prefix, libraries):
    """What deploy/deps built from Debian's sources: .stamps/NAME says the version."""
    out = []
    stamps = os.path.join(prefix, ".stamps")
    for name in sorted(os.listdir(stamps)) if prefix else []:
        if not any(lib[:7] == name[:7] for lib in libraries): # libvncclient is libvncserver's
            continue
        with open(os.path.join(stamps, name), encoding="utf-8") as f:
            version = f.read().split()[0]
        arch = subprocess.run(["dpkg", "--print-architecture"], text=True, check=True,
                              stdout=subprocess.PIPE).stdout.strip()
        out.append({"name": name, "version": version, "arch": arch, "source": name, "home": "",
                    "status": None, "supplier": "", "copyright": None})
    return out
