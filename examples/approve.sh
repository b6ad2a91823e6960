#!/usr/bin/env bash
# Stages a module at a root canister, chunk by chunk, and approves it for a role.
# Usage: approve.sh ROOT ROLE MODULE
# ICP_CLI_ENVIRONMENT names the environment, `local` by default.
set -euo pipefail
root=$1 role=$2 module=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Bytes as in a blob of Candid text: \00\61\73\6d
hex() { od -An -v -tx1 "$1" | tr -d '\n' | sed 's/ /\\/g'; }
digest() { sha256sum "$1" | cut -c 1-64 | sed 's/../\\&/g'; }

call() {
    icp canister call -e "${ICP_CLI_ENVIRONMENT:-local}" "$root" "$1" --args-file "$work/args" |
        tee "$work/reply"
    # `icp` prints the name of a variant if it knows the interface, and otherwise its hash.
    if ! grep -Eq '\b(Ok|17_724)\b' "$work/reply"; then
        echo "$1 was refused" >&2
        exit 1
    fi
}

split -b 256k "$module" "$work/chunk."
hashes=""
for chunk in "$work"/chunk.*; do
    printf '(record { chunk = blob "%s" })' "$(hex "$chunk")" > "$work/args"
    call canic_module_stage
    hashes+="blob \"$(digest "$chunk")\"; "
done
printf '(record { role = "%s"; hash = blob "%s"; chunks = vec { %s } })' \
    "$role" "$(digest "$module")" "$hashes" > "$work/args"
call canic_module_approve
