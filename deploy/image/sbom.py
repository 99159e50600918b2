"""The software bill of materials of an image: SPDX 2.3, JSON."""
import datetime
import hashlib
import json
import os
import urllib.parse

from packages import distribution


def web_packages(root):
    """What is bundled into the page: all of the lock file that is no tool."""
    with open(os.path.join(root, "web-client/package-lock.json"), encoding="utf-8") as f:
        lock = json.load(f)
    return [{"name": path.rpartition("node_modules/")[2], "version": row["version"],
             "license": row.get("license", "NOASSERTION")}
            for path, row in sorted(lock["packages"].items()) if path and not row.get("dev")]


def spdx(name, version, epoch, arch, packages, bundled):
    system = distribution()
    rows = [row("ours", name, version, "Organization: OpenOva", f"pkg:oci/{name}?arch={arch}",
                "Apache-2.0", "CONTAINER")]
    for p in packages:
        url = f"pkg:deb/{system['ID']}/{quote(p['name'])}@{quote(p['version'])}?arch={p['arch']}" + \
            f"&distro={system['ID']}-{system.get('VERSION_ID', '')}"
        made = row("deb", p["name"], p["version"],
                   "Person: " + p["supplier"] if p["supplier"] else "NOASSERTION", url, "NOASSERTION")
        made["sourceInfo"] = f"built from {p['source']}" if p["status"] else \
            f"built here from Debian's source package {p['source']}"
        rows.append(made)
    rows += [row("npm", p["name"], p["version"], "NOASSERTION",
                 f"pkg:npm/{quote(p['name'])}@{quote(p['version'])}", p["license"]) for p in bundled]
    ours = rows[0]["SPDXID"]
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{name}-{version}",
        "creationInfo": {"created": datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc)
                         .strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": ["Tool: deploy/image/image.py"]},
        "packages": rows,
        "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                           "relatedSpdxElement": ours}] +
                         [{"spdxElementId": ours, "relationshipType": "CONTAINS",
                           "relatedSpdxElement": r["SPDXID"]} for r in rows[1:]]}
    # The name has to be this document's alone: it follows from what is in it.
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    document["documentNamespace"] = f"urn:guac:sbom:{name}:{digest}"
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def quote(text):
    return urllib.parse.quote(text, safe="")


def row(kind, name, version, supplier, url, license_, purpose=None):
    made = {"SPDXID": "SPDXRef-" + kind + "-" + "".join(c if c.isalnum() or c in ".-" else "-" for c in name),
            "name": name, "versionInfo": version, "supplier": supplier, "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": license_,
            "copyrightText": "NOASSERTION",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                              "referenceLocator": url}]}
    if purpose:
        made["primaryPackagePurpose"] = purpose
    return made
