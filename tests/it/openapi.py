"""The gateway's own description of its HTTP interface, held against what it answers. Browser
(test_auth_kit.py) does so with every answer of every test; test_docs_api.py asks everything once.

Beyond what the description says, an object may have no member that it does not name: the reader of
the document shall find them all."""
import functools
import json
import os
import re

import house

try:
    import jsonschema
except ImportError:  # deps.sh has it; without it nothing is checked here, and test_docs_api.py says so
    jsonschema = None

FILE = os.path.join(house.ROOT, "proxy/authd/openapi.json")
seen = set()  # (operationId, status) of what was answered and fits


@functools.cache
def document():
    with open(FILE, encoding="utf-8") as f:
        return json.load(f)


def closed(node):
    if isinstance(node, list):
        return [closed(n) for n in node]
    if not isinstance(node, dict):
        return node
    out = {k: closed(v) for k, v in node.items()}
    if isinstance(out.get("properties"), dict) and "type" in out:
        out["additionalProperties"] = False
    return out


@functools.cache
def patterns():
    """Templates without a name first: /api/sessions/{id}/invite is no {action}."""
    paths = sorted(document()["paths"], key=lambda p: p.count("{"))
    return [(re.compile("[^/]+".join(re.escape(part) for part in re.split(r"\{\w+\}", p))), p)
            for p in paths]


def operation(method, path):
    """Of a request, or None."""
    method = {"HEAD": "get"}.get(method, method.lower())
    for pattern, template in patterns():
        if pattern.fullmatch(path):
            found = document()["paths"][template].get(method)
            if found:
                return found
    return None


def follow(node):
    while "$ref" in node:
        at = document()
        for word in node["$ref"].removeprefix("#/").split("/"):
            at = at[word]
        node = at
    return node


@functools.cache
def validator(method, path_id, status, kind):
    """For one answer of an operation; None: what comes is not described by a schema."""
    responses = next(o for p in document()["paths"].values() for o in p.values()
                     if o["operationId"] == path_id)["responses"]
    key = str(status) if str(status) in responses else "default"
    assert key in responses, f"{method} {path_id}: nothing is said of {status}"
    content = follow(responses[key]).get("content", {})
    if not content:
        return None
    assert kind in content, f"{method} {path_id}: {status} as {kind}, not {list(content)}"
    schema = content[kind].get("schema")
    if schema is None or kind != "application/json":
        return None
    return jsonschema.Draft202012Validator({"allOf": [closed(schema)],
                                            "components": closed(document()["components"])})


def check(method, path, status, content_type, text):
    what = operation(method, path)
    if what is None or jsonschema is None:
        return
    kind = (content_type or "").partition(";")[0]
    v = validator(method, what["operationId"], status, kind)
    if v is not None:
        problems = [f"{'/'.join(map(str, e.absolute_path)) or '.'}: {e.message}"
                    for e in v.iter_errors(json.loads(text))]
        assert not problems, f"{method} {path}, {status}: " + "; ".join(problems)
    seen.add((what["operationId"], status))
