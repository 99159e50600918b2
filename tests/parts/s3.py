#!/usr/bin/python3
"""s3.py [--env FILE] [--as admin|writer|reader] VERB ... - signed S3 requests for tests

  make-bucket BUCKET [--lock]       with object lock (COMPLIANCE is said per object) or plain
  put-policy BUCKET FILE            FILE - is stdin
  put BUCKET KEY FILE [--lock-days N] [--if-none-match] [--if-match ETAG]
  get BUCKET KEY [--version V] [--range A-B]
  head BUCKET KEY [--version V]     prints the answer's headers
  delete BUCKET KEY [--version V]
  delete-bucket BUCKET
  list BUCKET [PREFIX] [--versions] keys, or key, version and size
  retention BUCKET KEY [--version V]

The endpoint and keys come from FILE (as tests/parts/seaweedfs.sh writes it) or the environment.
Status: 0 for 2xx; 4 for 4xx and 5 for 5xx, said on stderr; 7 when there was no answer.
As a module: S3.from_env(file, who).request(method, bucket, key, query, headers, body).
Nothing but Python's own library: the tests of our own SigV4 must not share its code.
"""
import argparse
import base64
import datetime
import hashlib
import hmac
import http.client
import os
import re
import shlex
import ssl
import sys
import urllib.parse
import xml.etree.ElementTree as ET


def _quote(s, safe="-_.~"):
    return urllib.parse.quote(s, safe=safe)


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class S3:
    def __init__(self, endpoint, access, secret, region="us-east-1", ca=None, timeout=30):
        self.url = urllib.parse.urlsplit(endpoint)
        self.access, self.secret, self.region = access, secret, region
        self.ca, self.timeout = ca, timeout

    @classmethod
    def from_env(cls, path=None, who="admin", **more):
        env = dict(os.environ)
        if path:
            with open(path) as f:
                for word in shlex.split(f.read()):
                    name, _, value = word.partition("=")
                    env[name] = value
        who = who.upper()
        return cls(env["S3_ENDPOINT"], env[f"S3_{who}_ACCESS_KEY"], env[f"S3_{who}_SECRET_KEY"],
                   env.get("S3_REGION", "us-east-1"), env.get("S3_CA") or None, **more)

    def request(self, method, bucket="", key="", query=(), headers=(), body=b""):
        """-> (status, headers with lower-case names, body)"""
        path = "/" + _quote(bucket) + ("/" + _quote(key, "-_.~/") if key else "")
        query = "&".join(sorted(f"{_quote(k)}={_quote(v)}" for k, v in dict(query).items()))
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        head = {k.lower(): v for k, v in dict(headers).items()}
        head.update({"host": self.url.netloc, "x-amz-date": now, "x-amz-content-sha256": digest})
        names = sorted(head)
        canonical = "\n".join([method, path, query] + [f"{n}:{head[n].strip()}" for n in names]
                              + ["", ";".join(names), digest])
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        to_sign = "\n".join(["AWS4-HMAC-SHA256", now, scope,
                             hashlib.sha256(canonical.encode()).hexdigest()])
        k = _hmac(("AWS4" + self.secret).encode(), now[:8])
        for part in (self.region, "s3", "aws4_request"):
            k = _hmac(k, part)
        head["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access}/{scope},SignedHeaders={';'.join(names)},"
            f"Signature={hmac.new(k, to_sign.encode(), hashlib.sha256).hexdigest()}")
        if self.url.scheme == "https":
            c = http.client.HTTPSConnection(self.url.netloc, timeout=self.timeout,
                                            context=ssl.create_default_context(cafile=self.ca))
        else:
            c = http.client.HTTPConnection(self.url.netloc, timeout=self.timeout)
        try:
            c.request(method, path + ("?" + query if query else ""), body or None, head)
            r = c.getresponse()
            return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read()
        finally:
            c.close()


def lock_headers(days, body):
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return {"x-amz-object-lock-mode": "COMPLIANCE",
            "x-amz-object-lock-retain-until-date": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(body).digest()).decode()}


def _texts(xml, tag, *children):
    for e in ET.fromstring(xml).iter():
        if e.tag.split("}")[-1] == tag:
            found = {c.tag.split("}")[-1]: c.text or "" for c in e}
            yield [found.get(c, "") for c in children]


def _list(s3, bucket, prefix, versions):
    query = {"prefix": prefix, "max-keys": "1000"}
    query.update({"versions": ""} if versions else {"list-type": "2"})
    while True:
        status, headers, body = s3.request("GET", bucket, query=query)
        if status // 100 != 2:
            return status, headers, body
        if versions:
            for tag in ("Version", "DeleteMarker"):
                for k, v, size in _texts(body, tag, "Key", "VersionId", "Size"):
                    print(k, v, size or "delete-marker")
            mark = (r"<NextKeyMarker>([^<]+)", "key-marker")
        else:
            for k, size in _texts(body, "Contents", "Key", "Size"):
                print(k, size)
            mark = (r"<NextContinuationToken>([^<]+)", "continuation-token")
        more = re.search(mark[0], body.decode())
        if not more or b"<IsTruncated>true" not in body:
            return status, headers, b""
        query[mark[1]] = more.group(1)
        more = re.search(r"<NextVersionIdMarker>([^<]+)", body.decode())
        if more:
            query["version-id-marker"] = more.group(1)


def _read(name):
    if name == "-":
        return sys.stdin.buffer.read()
    with open(name, "rb") as f:
        return f.read()


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--env")
    p.add_argument("--as", dest="who", default="admin")
    p.add_argument("--timeout", type=float, default=30)
    p.add_argument("verb")
    p.add_argument("args", nargs="*")
    for name in ("--version", "--range", "--if-match"):
        p.add_argument(name)
    p.add_argument("--lock-days", type=float)
    for name in ("--lock", "--if-none-match", "--versions"):
        p.add_argument(name, action="store_true")
    a = p.parse_intermixed_args()
    s3 = S3.from_env(a.env, a.who, timeout=a.timeout)
    bucket, key = (a.args + ["", ""])[:2]
    query = {"versionId": a.version} if a.version else {}
    headers = {}
    if a.verb == "make-bucket":
        answer = s3.request("PUT", bucket,
                            headers={"x-amz-bucket-object-lock-enabled": "true"} if a.lock else {})
    elif a.verb == "put-policy":
        answer = s3.request("PUT", bucket, query={"policy": ""}, body=_read(key))
    elif a.verb == "put":
        body = _read(a.args[2])
        if a.lock_days is not None:
            headers.update(lock_headers(a.lock_days, body))
        if a.if_none_match:
            headers["if-none-match"] = "*"
        if a.if_match:
            headers["if-match"] = a.if_match
        answer = s3.request("PUT", bucket, key, headers=headers, body=body)
        if answer[0] == 200:
            print(answer[1].get("x-amz-version-id", ""), answer[1].get("etag", ""))
    elif a.verb == "get":
        if a.range:
            headers["range"] = "bytes=" + a.range
        answer = s3.request("GET", bucket, key, query, headers)
        if answer[0] // 100 == 2:
            sys.stdout.buffer.write(answer[2])
    elif a.verb == "head":
        answer = s3.request("HEAD", bucket, key, query)
        if answer[0] == 200:
            print("\n".join(f"{k}: {v}" for k, v in sorted(answer[1].items())))
    elif a.verb in ("delete", "delete-bucket"):
        answer = s3.request("DELETE", bucket, key, query)
    elif a.verb == "list":
        answer = _list(s3, bucket, key, a.versions)
    elif a.verb == "retention":
        answer = s3.request("GET", bucket, key, dict(query, retention=""))
        if answer[0] == 200:
            print(*next(_texts(answer[2], "Retention", "Mode", "RetainUntilDate"), ()))
    else:
        p.error(f"no verb {a.verb}")
    status = answer[0] // 100
    if status != 2:
        code = re.search(rb"<Code>([^<]*)</Code>(?:.*?<Message>([^<]*))?", answer[2], re.S)
        text = b" ".join(g for g in code.groups() if g).decode() if code else answer[1].get("server", "")
        print(f"s3: {a.verb} {'/'.join(a.args[:2])}: HTTP {answer[0]} {text}", file=sys.stderr)
        return status if status in (4, 5) else 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, http.client.HTTPException) as e:
        print(f"s3: no answer: {e}", file=sys.stderr)
        sys.exit(7)
