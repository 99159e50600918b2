"""The commands of the documentation. Before each fenced `sh` block a comment says where it is run,
`<!-- run: WORLD -->`; a test that has that world takes the blocks of a page and runs them as they stand.

| world | is | run by |
|---|---|---|
| sources | a checkout; what goes to the machine goes to a tree of its own | test_install.py |
| installed | the machine after `make install`, its services run | test_install.py |
| recording | a folder with the copy of a sealed recording and gateway.pem | test_install.py |
| seaweedfs | the installed machine, whose recorder's store is a SeaweedFS | test_install.py |
| weed, weed-up | a folder; a SeaweedFS that runs with what was made there | test_install.py |
| cluster | a checkout, kubectl and helm of a cluster | test_chart_install.py |
| checkout | a checkout | test_docs_commands.py |
| not, WHY | nowhere: programs, options, verbs and files are looked up | test_docs_commands.py |
"""
import glob
import os
import re

import house

WORLDS = ("sources", "installed", "recording", "seaweedfs", "weed", "weed-up", "cluster", "checkout")
FENCE = re.compile(r"^(?:<!-- run: (?P<world>[^\n]*?) -->\n)?```sh\n(?P<text>.*?)^```$", re.M | re.S)


def pages():
    return sorted(glob.glob(os.path.join(house.ROOT, "docs/*.md"))) + \
        [os.path.join(house.ROOT, f) for f in ("README.md", "HACKING.md", "SECURITY.md")]


def blocks(page):
    """(world or None, line, text) of each, in order."""
    with open(page, encoding="utf-8") as f:
        text = f.read()
    return [(m["world"], text[:m.start("text")].count("\n") + 1, m["text"]) for m in FENCE.finditer(text)]


def script(page, world):
    """All of a page's blocks of a world, as one script that ends at the first command that fails; its
    last line of output with a `#` says where that was."""
    name = os.path.join(house.ROOT, "docs", page) if not os.path.isabs(page) else page
    mine = [(line, text) for w, line, text in blocks(name) if w == world]
    assert mine, f"{page} has nothing for {world}"
    return "set -eu\n" + "".join(f"echo '# {os.path.basename(name)}:{line}'\n{text}" for line, text in mine)
