#!/bin/sh
# Begins a filter in each language here, and builds it.
set -eu
cd "$(dirname "$0")"
for language in go rust assemblyscript c; do
	[ -d "$language" ] || weir filter new "hello-$language" --lang "$language" --dir "$language" >/dev/null
	weir filter build "$language" -o "$language.wasm"
done
