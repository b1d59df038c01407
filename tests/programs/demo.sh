#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What "make run" shows, as root and as an ordinary user, leaves nothing behind.
# runs-as: root user
# time-limit: 300
. "$(dirname "$0")/../lib.sh"

cp ~/.bashrc "$T/bashrc" 2>/dev/null || touch "$T/bashrc"
bash "$(dirname "$0")/../../tools/demo" "$ISLE" >"$T/out" 2>&1 || { cat "$T/out"; fail "the demonstration failed"; }
has "$(cat "$T/out")" "That was isle."
has "$(cat "$T/out")" "discard"
cmp "$T/bashrc" <(cat ~/.bashrc 2>/dev/null)
