#!/bin/sh
# pack.sh BUILD VERSION OUT - the chart with what is made: OUT/bp-guacamole/ and OUT/bp-guacamole-N.tgz
#
# The CustomResourceDefinitions come from the build's tables, roles and admission policies from
# deploy/crd; none of them stands twice in the tree. The same commit gives the same bytes.
set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
build=$1 version=$2 out=$3
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct 2>/dev/null || echo 0)}
chart=$out/bp-guacamole
rm -rf "$chart"
mkdir -p "$chart/crds" "$chart/files"
cp -R "$here/Chart.yaml" "$here/values.yaml" "$here/values.schema.json" "$here/templates" "$chart"
cp "$here"/files/* "$here/../crd/rbac.yaml" "$here/../crd/admission.yaml" "$chart/files"
cp "$build"/crds/*.yaml "$chart/crds"
tag=$(printf %s "$version" | tr -c 'A-Za-z0-9_.-' -)
sed "s/^appVersion: .*/appVersion: \"$tag\"/" "$here/Chart.yaml" >"$chart/Chart.yaml"
number=$(sed -n 's/^version: //p' "$here/Chart.yaml")
tar -C "$out" --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$epoch" \
    -cf - bp-guacamole | gzip -9n >"$out/bp-guacamole-$number.tgz"
echo "$out/bp-guacamole-$number.tgz"
