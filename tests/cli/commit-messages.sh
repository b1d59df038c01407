#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is said of a step of a commit, an undo or a discard that fails: a sentence for each kind of step.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need strace

H=$T/host
isle=0

fresh() {
	rm -rf "$H"
	mkdir "$H" "$H/d"
	cd "$H"
	touch mode gone changed old d/x
	echo one >linked
	ln linked other
	isle=$((isle + 1))
	isle run -q -n "$isle" -- sh -c 'chmod 600 mode; rm gone d/x; echo more >>changed; mv old new; echo more >>linked; mkdir fresh; chmod 700 d; echo >fresh/f'
}
committed_by_parts() {
	fresh
	isle commit -q --yes "$isle" ./mode ./gone ./changed ./old ./new ./linked ./fresh
}
part_discarded() {
	fresh
	isle discard -q --yes "$isle" ./changed ./d
}

# sweep CALL PREPARE ARGUMENT...: each such call fails once; what is said goes to $T/said.
sweep() {
	local call=$1 prepare=$2 n
	shift 2
	for ((n = 1; n < 100; n++)); do
		$prepare
		strace -qq -f -o "$T/strace" -e "trace=$call" -e "inject=$call:error=EIO:when=$n" "$ISLE" "${@/ISLE/$isle}" 2>>"$T/said" || true
		grep -q INJECTED "$T/strace" || return 0
	done
}

parts=(./mode ./gone ./changed ./old ./new ./linked ./fresh)
sweep renameat2 fresh commit -q --yes ISLE "${parts[@]}"
sweep renameat2 committed_by_parts undo -q --yes
sweep renameat2 fresh discard -q --yes ISLE ./changed ./d
sweep renameat2 part_discarded undo -q --yes
sweep ftruncate fresh commit -q --yes ISLE ./linked
sweep chmod fresh commit -q --yes ISLE ./mode
sweep chmod fresh discard -q --yes ISLE ./d

sed -n "s|$H/||g; s/^isle: \(nothing was [a-z]*: \)*//; s/: Input.*//p" "$T/said" | grep -v "the queue of runs" | sort -u >"$T/sentences"
{
	cat <<'END'
cannot change the metadata of 'd' in the isle
cannot change the metadata of 'mode'
cannot create 'fresh'
cannot create 'gone'
cannot drop 'changed' from the isle
cannot drop 'd/x' from the isle
cannot put 'changed' back into the isle
cannot put 'd/x' back into the isle
cannot remove 'fresh'
cannot remove 'gone'
cannot replace 'changed'
cannot write to 'linked'
END
	if is_root; then
		printf "cannot rename '%s\n" "old'" "old' to 'new'" "new'" "new' to 'old'"
	else
		printf "cannot %s\n" "create 'new'" "create 'old'" "remove 'new'" "remove 'old'"
	fi
} | sort | diff - "$T/sentences" || fail "other sentences than these"

# All of it is moved with its layer.
fresh
strace -qq -f -o "$T/strace" -e trace=renameat2 -e inject=renameat2:error=EIO:when=1 "$ISLE" discard -q --yes "$isle" 2>"$T/said" && fail "it is dropped"
has "$(cat "$T/said")" "isle: cannot move the layer of '/"
