#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# vim, less, top and tmux on a terminal, driven as a person would.
# runs-as: root user
# time-limit: 90
. "$(dirname "$0")/../lib.sh"

need vim less tmux top python3
here=$(readlink -f "$(dirname "$0")")
cd "$T" || exit
printf 'one\ntwo\nthree\n' >text
cp text before
TERM=xterm python3 -B "$here/screen.py" "$ISLE" text
cmp text before
same "$(isle run -q -n screen --keep -- cat text)" $'changed one\ntwo\nthree'
isle commit --yes screen "$T/text"
same "$(cat text)" $'changed one\ntwo\nthree'
