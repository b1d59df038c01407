#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# isle redo runs the commands of an isle again on today's host, with all that they had, and says what came out otherwise.
# runs-as: root user
# time-limit: 100
. "$(dirname "$0")/../lib.sh"

D=$T/d
mkdir "$D"
echo 1 >"$D/in"
echo typed >"$D/input"
cd "$D" || exit
# shellcheck disable=SC2016
WORD='a b' isle run -q -n work --env "MORE=$(printf 'x\ny')" -- sh -c 'cat in - >out; printf "%s|%s|%s|%s\n" "$WORD" "$MORE" "$1" "$ISLE" >env; rm -f gone' \
	sh $'arg\n\xff' <input
isle run -q -n work -- sh -c 'ln -s in link; mkdir sub; chmod 750 sub'
cd /

# Environments are nobody else's business.
same "$(find "$ISLE_HOME"/isles/*/commands -type f ! -perm 600)" ""
same "$(find "$ISLE_HOME"/isles/*/commands -type f | wc -l)" 2

# On the same host the same comes out, but for the name of the isle.
status_is 3 isle redo -q work >"$T/out"
same "$(cat "$T/out")" "different  $D/env"
same "$(isle run -q -n work-redo -- cat "$D/env")" $'a b|x\ny|arg\n\xff|work-redo'
same "$(isle run -q -n work-redo -- cat "$D/out")" $'1\ntyped'

# On a changed one another; the old isle conflicts, the fresh one commits.
echo 2 >"$D/in"
status_is 4 isle commit -q --yes work 2>/dev/null
status_is 3 isle redo -n second work >"$T/out" 2>"$T/err"
has "$(cat "$T/out")" "different  $D/out"
hasnt "$(cat "$T/out")" "$D/link"
has "$(cat "$T/err")" "commit second"
isle commit -q --yes second
content "$D/out" $'2\ntyped'
same "$(stat -c %a "$D/sub")" 750

# The input was no file: said. A command that fails is said, too. An isle without commands has nothing to be run again.
echo piped | isle run -q -n piped -- sh -c 'cat >>/dev/null; exit 3' || :
isle redo piped >"$T/out" 2>"$T/err"
has "$(cat "$T/out")" "the same as then"
has "$(cat "$T/err")" "its input was no file"
has "$(cat "$T/err")" "status 3"
status_is 1 isle redo piped 2>"$T/err"
has "$(cat "$T/err")" "there is an isle 'piped-redo' already"
status_is 1 isle redo nothing-there 2>/dev/null
nothing_left
