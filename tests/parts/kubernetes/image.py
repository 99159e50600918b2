#!/usr/bin/env python3
"""image.py OUT.tar NAME PATH[=LINK] ... -- COMMAND... - a container image of the machine's static busybox

An OCI layout as `ctr images import` takes it. PATH is where the program lies in the image (its name
says what it is: /app/sleep is sleep); `all` stands for /bin with a link for each applet, /etc/passwd
and the usual folders, which is a small system with a shell, stty and tar.
"""
import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import tarfile

BUSYBOX = "/bin/busybox"
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def add(tar, name, data=None, mode=0o644, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name.lstrip("/"))
    info.type, info.mode, info.linkname = kind, mode, link
    info.size = len(data) if data is not None else 0
    tar.addfile(info, io.BytesIO(data) if data is not None else None)


def system(tar, program):
    for folder in "bin dev etc home proc root sys usr usr/bin var".split():
        add(tar, folder, mode=0o755, kind=tarfile.DIRTYPE)
    add(tar, "tmp", mode=0o1777, kind=tarfile.DIRTYPE)
    add(tar, "bin/busybox", program, 0o755)
    for applet in subprocess.check_output([BUSYBOX, "--list"], text=True).split():
        if applet != "busybox":
            add(tar, "bin/" + applet, kind=tarfile.SYMTYPE, link="busybox")
    add(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
    add(tar, "etc/group", b"root:x:0:\nnogroup:x:65534:\n")


def layer(paths):
    with open(BUSYBOX, "rb") as f:
        program = f.read()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in paths:
            if path == "all":
                system(tar, program)
                continue
            add(tar, os.path.dirname(path), mode=0o755, kind=tarfile.DIRTYPE)
            add(tar, path, program, 0o755)
    return out.getvalue()


def main():
    split = sys.argv.index("--")
    out, name, *paths = sys.argv[1:split]
    blobs = {}

    def blob(media, value):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data)}

    content = blob("application/vnd.oci.image.layer.v1.tar", layer(paths))
    config = blob("application/vnd.oci.image.config.v1+json", {
        "architecture": ARCH, "os": "linux", "created": "1970-01-01T00:00:00Z",
        "config": {"Env": ["PATH=/bin:/usr/bin"], "Cmd": sys.argv[split + 1:], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [content["digest"]]}})
    manifest = blob("application/vnd.oci.image.manifest.v1+json", {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": [content]})
    manifest["platform"] = {"architecture": ARCH, "os": "linux"}
    manifest["annotations"] = {"io.containerd.image.name": name}
    with tarfile.open(out, "w") as tar:
        add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        add(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode())
        for digest, data in blobs.items():
            add(tar, "blobs/sha256/" + digest, data)


main()
