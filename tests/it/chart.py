"""The Helm chart as it is packed, real Helm, and a cluster to install it in."""
import json
import os
import subprocess

import house
from whole import Part

CHART = os.path.join(house.ROOT, "deploy/chart")


def pack(folder, version):
    subprocess.run([os.path.join(CHART, "pack.sh"), house.BUILD, version, folder], check=True,
                   stdout=subprocess.DEVNULL)
    return os.path.join(folder, "bp-guacamole")


class Helm:
    def __init__(self):
        script = house.need_part("helm")

        def told(verb):
            return subprocess.run([script, verb], check=True, text=True, stdout=subprocess.PIPE,
                                  env=dict(os.environ, PART_OWNER=str(os.getpid()))).stdout.strip()
        self.program, self.kinds = told("program"), told("kinds")

    def run(self, *words, values=None, check=True, config=None, timeout=300):
        done = subprocess.run([self.program, *words, *(["-f", "-"] if values is not None else [])],
                              input=json.dumps(values) if values is not None else None, text=True,
                              capture_output=True, check=False, timeout=timeout * house.PATIENCE,
                              env=dict(os.environ, **({"KUBECONFIG": config} if config else {})))
        assert not check or done.returncode == 0, f"helm {words}: {done.stdout}{done.stderr}"
        return done


class Cluster(Part):
    def __init__(self, *options):
        super().__init__("kubernetes", *options)

    def run(self, *words, text=None, check=True):
        done = subprocess.run([self["KUBE_KUBECTL"], "--kubeconfig", self["KUBE_CONFIG"], *words],
                              input=text, text=True, capture_output=True, check=False, timeout=300)
        assert not check or done.returncode == 0, f"kubectl {words}: {done.stdout}{done.stderr}"
        return done

    def kubectl(self, *words, text=None):
        return self.run(*words, text=text).stdout

    def get(self, *words):
        return json.loads(self.kubectl("get", *words, "-o", "json"))
