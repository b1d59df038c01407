#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs that run with the rights of their owner outside: in the isle of a user they do not, and the trace says so; as root they
# do, within the isle.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need su python3

su=$(readlink -f "$(command -v su)")
[ -u "$su" ] || skip "su has no rights of its own here"
# What the user's own set-user-ID programs do natively: nothing that the user could not.
cp "$(type -P true)" "$T/own"
chmod 4755 "$T/own"
# shellcheck disable=SC2016
isle run -q -n r -- sh -c 'su --version; su --version; "$1"; cp "$1" "$2"; chmod 6755 "$2"; "$2"' . "$T/own" "$T/made" >/dev/null
refused=$(isle trace --json r | python3 -c 'import json, sys
print(sorted({(r["what"], r["why"]) for r in json.load(sys.stdin)["refused"]}))') # by each process that tried
if is_root; then
	same "$refused" "[]"
	# Natively a copy of a program with the bit is root for everybody; inside, too, over the isle.
	same "$(isle run -q -n s -- bash -c 'cp "$(type -P id)" "$1"; chmod 4755 "$1"; setpriv --reuid 65534 --clear-groups "$1" -u' . "$T/id")" 0
else
	same "$refused" "[('$su', 'runs without the rights of its owner: nothing in an isle of a user is set-user-ID')]"
	has "$(isle trace r)" "nothing in an isle of a user is set-user-ID"
fi
