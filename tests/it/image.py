"""The images of deploy/image, made from the build under test, and what is in them."""
import io
import json
import os
import subprocess
import tarfile

import house


def start_making(out):
    return subprocess.Popen(["/usr/bin/python3", os.path.join(house.ROOT, "deploy/image/image.py"),
                             house.BUILD, "test", out, "--plain"], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(maker):
    text = maker.communicate(timeout=300 * house.PATIENCE)[0]
    assert maker.returncode == 0, text
    return text


class Images:
    """By program: its configuration, its layers' files, its SPDX list."""

    def __init__(self, path):
        with tarfile.open(path) as tar:
            blobs = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}
        self.blob = lambda digest: blobs["blobs/sha256/" + digest.split(":")[1]]
        self.manifests = {m["annotations"]["org.opencontainers.image.ref.name"].split(":")[0]: m
                          for m in json.loads(blobs["index.json"])["manifests"]}

    def config(self, name):
        return json.loads(self.blob(json.loads(self.blob(self.manifests[name]["digest"]))["config"]["digest"]))

    def layers(self, name):
        for layer in json.loads(self.blob(self.manifests[name]["digest"]))["layers"]:
            yield tarfile.open(fileobj=io.BytesIO(self.blob(layer["digest"])))

    def members(self, name):
        return {m.name: m for tar in self.layers(name) for m in tar}

    def unpack(self, name, folder):
        for tar in self.layers(name):
            tar.extractall(folder)
        return folder
