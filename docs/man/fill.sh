#!/bin/sh
# fill.sh PAGE BUILD: a manual page with the program's keys, from its own table, where it says
# @KEYS@, and the version where it says @VERSION@.
set -eu
page=$1 build=$2
name=$(basename "${page%.*}")
version=$(cat "$build/version")
while IFS= read -r line; do
    case $line in
    @KEYS@) "$build/$name" --print-manual ;;
    *@VERSION@*) printf '%s\n' "${line%%@VERSION@*}$version${line#*@VERSION@}" ;;
    *) printf '%s\n' "$line" ;;
    esac
done <"$page"
