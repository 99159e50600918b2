#!/usr/bin/env python3
"""image.py BUILD VERSION OUT.tar [--plain] - container images of the programs, without a container engine

One OCI layout (as `ctr images import`, `podman load` and `skopeo copy oci-archive:` take it) with an
image a program. Each has three layers: what all five need of the distribution, what this one needs
beside, and the program. What a program needs is found by following its libraries; every file comes
from a package that dpkg knows, or from the private prefix of deploy/deps, and the package goes with
its status, its licence and a row of the SPDX list. No shell, no package manager, no set-uid file.

The same packages, commit and compiler give the same bytes: names sorted, owner root, times
SOURCE_DATE_EPOCH (the commit's). --plain leaves the layers uncompressed, which tests import faster.
"""
import gzip
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

from packages import Packages, prefix_packages
from sbom import spdx, web_packages

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
HOME = "/usr/lib/guac"
LIBS = HOME + "/libs" # as `make install`: programs and backends look there
GROUP = 64000 # the five share it: run/ and its sockets
REGISTRY = "guac.local" # names until somebody pushes them elsewhere

# program: uid, beside it, files that its libraries open by name, packages whose files it reads
PROGRAMS = {
    "guac-proxy": (64001, [], ["{lib}/libwebsockets-evlib_uv.so"], []),
    "guac-authd": (64002, [], [], []),
    "guac-recorder": (64003, [], [], []),
    "guac-evidence": (64004, [], [], []),
    "guacd": (64005, ["guacd-session", "guac-prepare", "backends/*.so"],
              ["{lib}/libgcc_s.so.1", "{lib}/ossl-modules/legacy.so", "{lib}/gconv/*"],
              ["fonts-dejavu-core", "fonts-droid-fallback", "fontconfig-config", "tzdata"]),
}
# for all: names are looked up, TLS is checked
COMMON = ["/etc/ssl/openssl.cnf", "/etc/ssl/certs/ca-certificates.crt", "/usr/lib/ssl/*",
          "/usr/lib/locale/C.utf8/*", "/usr/lib/locale/C.utf8/*/*"]
UNREAD = re.compile(r"^/usr/share/(doc|man|info|lintian|bug|locale|zoneinfo/(right|posix))/")
FOLDERS = ["dev", "proc", "sys", "run", "run/guac", "tmp", "var", "var/lib", "var/lib/guac", "etc/guac"]

ETC = {
    "/etc/passwd": "root:x:0:0::/:/nonexistent\n" + "".join(
        f"{name}:x:{row[0]}:{GROUP}::/nonexistent:/nonexistent\n" for name, row in PROGRAMS.items()),
    "/etc/group": f"root:x:0:\nguac:x:{GROUP}:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def run(*words, **more):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, **more).stdout


def libraries(paths):
    """The closure of what they are linked to, by the paths the loader takes."""
    out = set()
    for path in paths:
        text = run("ldd", path)
        missing = re.findall(r"^\s*(\S+) => not found", text, re.M)
        if missing:
            sys.exit(f"image: {path} lacks {', '.join(missing)}")
        out.update(re.findall(r"(?:=> )?(/\S+) \(0x", text))
    return out


class Tree:
    """Files of an image by path: ("file", source or bytes, mode), ("link", target), ("dir",)."""

    def __init__(self):
        self.at = {}

    def put(self, path, entry):
        folder = os.path.dirname(path)
        while folder not in ("/", ""):
            self.at.setdefault(folder, ("dir", 0o755))
            folder = os.path.dirname(folder)
        self.at[path] = entry

    def take(self, path, into=None):
        """A file of this machine and the links that lead to it."""
        for _ in range(10):
            # /lib is a link to /usr/lib here and there
            path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
            target = into + "/" + os.path.basename(path) if into else path
            if not os.path.islink(path):
                mode = 0o755 if os.access(path, os.X_OK) else 0o644
                self.put(target, ("file", path, mode))
                return
            to = os.readlink(path)
            self.put(target, ("link", os.path.basename(to) if into else to))
            path = os.path.join(os.path.dirname(path), to)
        sys.exit(f"image: {path}: too many links")

    def glob(self, pattern):
        import glob
        found = [p for p in sorted(glob.glob(pattern)) if not os.path.isdir(p)]
        if not found and "*" not in pattern:
            sys.exit(f"image: {pattern} is missing on this machine: deploy/deps/deps.sh build run")
        for path in found:
            self.take(path)


def own_file(source, prefix):
    """A program or library of ours: without debug information, and its private libraries where they
    are in the image (the path keeps its length, so nothing in the file moves)."""
    with tempfile.NamedTemporaryFile() as f:
        run("strip", "--strip-unneeded", "-R", ".comment", "-R", ".note.gnu.build-id", "-o", f.name, source)
        with open(f.name, "rb") as stripped:
            data = stripped.read()
    if not prefix:
        return data
    old, new = (prefix + "/lib").encode(), LIBS.encode()
    if len(old) < len(new):
        sys.exit(f"image: {prefix} is too short a path")
    return re.sub(rb"([\0:])" + re.escape(old) + rb"\0",
                  lambda m: m[1] + b"/" * (len(old) - len(new)) + new + b"\0", data)


class Maker:
    def __init__(self, build, version, epoch, plain):
        self.build, self.version, self.epoch, self.plain = build, version, epoch, plain
        self.prefix = run(os.path.join(ROOT, "deploy/deps/deps.sh"), "prefix").strip()
        self.packages = Packages()
        self.multiarch = os.path.dirname(os.path.realpath(
            re.search(r"=> (\S*libc\.so\.6)", run("ldd", os.path.join(build, "guac-authd"))).group(1)))
        self.blobs = {}

    def programs(self, name):
        import glob
        out = [os.path.join(self.build, name)]
        for pattern in PROGRAMS[name][1]:
            out += sorted(glob.glob(os.path.join(self.build, pattern)))
        return out

    def needs(self, name):
        """The distribution's part of one image."""
        _, _, files, packages = PROGRAMS[name]
        tree = Tree()
        patterns = [p.format(lib=self.multiarch) for p in files] + COMMON
        for p in packages:
            for path in self.packages.files(p):
                if not UNREAD.match(path) and not os.path.isdir(path) and not path.startswith("/etc/fonts/conf.d/"):
                    tree.take(path)
        for p in patterns:
            tree.glob(p)
        loaded = [p for p in (x.format(lib=self.multiarch) for x in files) if p.endswith((".so", ".so.1"))]
        for path in sorted(libraries(self.programs(name) + loaded)):
            own = self.prefix and path.startswith(self.prefix + "/")
            tree.take(path, LIBS if own else None)
        if "fontconfig-config" in packages:
            self.fonts(tree)
        return tree

    def fonts(self, tree):
        """The links that the packages' own scripts make, and fontconfig's cache, which a session
        could not write."""
        have = set(tree.at)
        for name in sorted(os.listdir("/etc/fonts/conf.d")):
            path = "/etc/fonts/conf.d/" + name
            if os.path.islink(path) and os.path.normpath(os.path.join("/etc/fonts/conf.d", os.readlink(path))) in have:
                tree.put(path, ("link", os.readlink(path)))
        with tempfile.TemporaryDirectory() as folder:
            for path in sorted(have):
                if path.startswith(("/usr/share/fonts", "/etc/fonts", "/usr/share/fontconfig")) and \
                        tree.at[path][0] == "file":
                    os.makedirs(folder + os.path.dirname(path), exist_ok=True)
                    shutil.copy(tree.at[path][1], folder + path)
            os.makedirs(folder + "/var/cache/fontconfig")
            for top, _, files in os.walk(folder, topdown=False):
                for f in files + ["."]:
                    os.utime(os.path.join(top, f), (self.epoch, self.epoch))
            run("fc-cache", "-s", "--sysroot", folder,
                env=dict(os.environ, SOURCE_DATE_EPOCH=str(self.epoch)))
            made = folder + "/var/cache/fontconfig"
            for f in sorted(os.listdir(made)):
                with open(os.path.join(made, f), "rb") as cache:
                    if f != "CACHEDIR.TAG":
                        tree.put("/var/cache/fontconfig/" + f, ("file", cache.read(), 0o644))

    def own(self, name, listed):
        tree = Tree()
        for path in self.programs(name):
            tree.put(f"{HOME}/{os.path.relpath(path, self.build)}",
                     ("file", own_file(path, self.prefix), 0o755))
        if name == "guac-proxy":
            web = os.path.join(self.build, "web")
            for top, _, files in os.walk(web):
                for f in files:
                    if f != ".done":
                        path = os.path.join(top, f)
                        tree.put("/usr/share/guac/web/" + os.path.relpath(path, web), ("file", path, 0o644))
        tree.put("/usr/share/guac/sbom.spdx.json", ("file", listed, 0o644))
        return tree

    def layer(self, tree):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted(tree.at):
                kind, *rest = tree.at[path]
                info = tarfile.TarInfo(path.lstrip("/"))
                info.mtime, data = self.epoch, None
                if kind == "dir":
                    info.type, info.mode = tarfile.DIRTYPE, rest[0]
                elif kind == "link":
                    info.type, info.linkname, info.mode = tarfile.SYMTYPE, rest[0], 0o777
                else:
                    data, info.mode = rest
                    if isinstance(data, str) and path.startswith(LIBS + "/"):
                        data = own_file(data, self.prefix)
                    if isinstance(data, str):
                        with open(data, "rb") as f:
                            data = f.read()
                    info.size = len(data)
                tar.addfile(info, io.BytesIO(data) if data is not None else None)
        raw = out.getvalue()
        packed = raw if self.plain else gzip.compress(raw, 6, mtime=0)
        media = "application/vnd.oci.image.layer.v1.tar" + ("" if self.plain else "+gzip")
        return {**self.blob(media, packed), "diff": "sha256:" + hashlib.sha256(raw).hexdigest(),
                "unpacked": len(raw)}

    def blob(self, media, value):
        data = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True).encode()
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data)}

    def bill(self, *trees):
        """The packages whose files are in these trees."""
        sources = {e[1] for t in trees for e in t.at.values() if e[0] == "file" and isinstance(e[1], str)}
        names, own = set(), set()
        for path in sources:
            if self.prefix and path.startswith(self.prefix + "/"):
                own.add(os.path.basename(path).split(".so")[0])
                continue
            name = self.packages.owner(path)
            if name:
                names.add(name)
            elif path != "/etc/ssl/certs/ca-certificates.crt": # made by ca-certificates
                sys.exit(f"image: {path} belongs to no package")
        return [self.packages.about(n) for n in sorted(names | {"ca-certificates"})] + \
            prefix_packages(self.prefix, own)

    def paperwork(self, tree, bill):
        """Each package's status (what scanners of images read) and licence."""
        for p in bill:
            if p["status"]:
                tree.put("/var/lib/dpkg/status.d/" + p["name"], ("file", p["status"].encode(), 0o644))
            if p["copyright"]:
                tree.put(f"/usr/share/doc/{p['name']}/copyright", ("file", p["copyright"], 0o644))

    def image(self, name, common, rest):
        bill = self.bill(common, rest)
        self.paperwork(rest, bill)
        listed = spdx(name, self.version, self.epoch, ARCH, bill,
                      web_packages(ROOT) if name == "guac-proxy" else [])
        layers = [self.common, self.layer(rest), self.layer(self.own(name, listed))]
        uid = PROGRAMS[name][0]
        labels = {"org.opencontainers.image.title": name, "org.opencontainers.image.version": self.version}
        config = self.blob("application/vnd.oci.image.config.v1+json", {
            "architecture": ARCH, "os": "linux", "created": iso(self.epoch),
            "config": {"User": f"{uid}:{GROUP}", "Env": ["PATH=" + HOME, "LC_ALL=C.UTF-8"],
                       "Entrypoint": [HOME + "/" + name], "WorkingDir": "/", "Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [x["diff"] for x in layers]},
            "history": [{"created": iso(self.epoch), "created_by": f"{what} of {name}"}
                        for what in ("what all need", "what it needs", "the program")]})
        manifest = self.blob("application/vnd.oci.image.manifest.v1+json", {
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "annotations": labels,
            "layers": [{k: x[k] for k in ("mediaType", "digest", "size")} for x in layers]})
        tag = re.sub(r"[^A-Za-z0-9_.-]", "-", self.version)
        return {**manifest, "platform": {"architecture": ARCH, "os": "linux"},
                "annotations": {"io.containerd.image.name": f"{REGISTRY}/{name}:{tag}",
                                "org.opencontainers.image.ref.name": f"{name}:{tag}"}}, \
            sum(x["size"] for x in layers), sum(x["unpacked"] for x in layers), listed, len(bill)

    def write(self, out):
        trees = {name: self.needs(name) for name in PROGRAMS}
        same = set.intersection(*(set(t.at.items()) for t in trees.values()))
        common = Tree()
        for path, entry in sorted(same):
            common.put(path, entry)
        for path, text in ETC.items():
            common.put(path, ("file", text.encode(), 0o644))
        for folder in FOLDERS:
            common.put("/" + folder, ("dir", 0o755))
        for link in ("lib", "lib64"): # the loader's own path; all else lies in /usr
            if os.path.islink("/" + link):
                common.put("/" + link, ("link", os.readlink("/" + link)))
                common.put("/" + os.readlink("/" + link), ("dir", 0o755))
        loader = re.search(r"^\s*(/lib\S*/ld-\S+) ", run("ldd", os.path.join(self.build, "guacd")), re.M).group(1)
        common.take(loader)
        self.common = self.layer(common)
        manifests, notes = [], []
        for name, tree in trees.items():
            rest = Tree()
            for path, entry in tree.at.items():
                if common.at.get(path) != entry:
                    rest.put(path, entry)
            manifest, packed, unpacked, listed, count = self.image(name, common, rest)
            manifests.append(manifest)
            with open(os.path.join(os.path.dirname(out), name + ".spdx.json"), "wb") as f:
                f.write(listed)
            notes.append(f"{name:14} {packed / 1e6:6.1f} MB, unpacked {unpacked / 1e6:6.1f} MB, "
                         f"{count} packages, {manifest['digest']}")
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                 "manifests": manifests}
        with tarfile.open(out + ".new", "w") as tar:
            files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
                     "index.json": json.dumps(index, sort_keys=True).encode(),
                     **{"blobs/sha256/" + d: data for d, data in sorted(self.blobs.items())}}
            for path, data in files.items():
                info = tarfile.TarInfo(path)
                info.size, info.mtime = len(data), self.epoch
                tar.addfile(info, io.BytesIO(data))
        os.rename(out + ".new", out)
        print("\n".join(notes))
        print(f"all five, what they share once: {os.path.getsize(out) / 1e6:.1f} MB in {out}")


def iso(epoch):
    import datetime
    return datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def main():
    words = [w for w in sys.argv[1:] if w != "--plain"]
    if len(words) != 3:
        sys.exit(__doc__)
    build, version, out = words
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        done = subprocess.run(["git", "-C", ROOT, "log", "-1", "--format=%ct"], text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        epoch = done.stdout.strip() or "0"
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    Maker(os.path.abspath(build), version, int(epoch), "--plain" in sys.argv).write(os.path.abspath(out))


main()
