#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# git clones, commits, rebases, packs and cleans up; the repository is whole after the commit.
# runs-as: root user
# time-limit: 90
. "$(dirname "$0")/../lib.sh"

need git
export HOME=$T/home GIT_CONFIG_NOSYSTEM=1
mkdir "$HOME" "$T/src"
git config --global user.name proof
git config --global user.email proof@example.org
git config --global init.defaultBranch main
git config --global gc.autoDetach false
cd "$T/src" || exit
git init -q
for i in 1 2 3 4 5 6 7 8; do
	mkdir -p "d$i"
	seq $((i * 100)) >"d$i/numbers"
	git add .
	git commit -qm "number $i"
done
before=$(tree_of "$T/src")
in_isle() { isle run -q -n git --keep --net none -- "$@"; }

# As a user a hard link to a file of the host has another inode number (doc/fidelity.md), which git takes for an attack.
links=
is_root || links=--no-hardlinks
in_isle git clone -q $links "$T/src" "$T/clone"
in_isle git -C "$T/clone" log --oneline >"$T/log"
same "$(wc -l <"$T/log")" 8
absent "$T/clone"
in_isle bash -ec '
	git checkout -qb work HEAD~3
	echo change >>d1/numbers
	git rm -q d2/numbers
	# rename(2) of a directory of the host is refused to a user, and git does not copy as mv does (doc/fidelity.md).
	if [ "$(id -u)" = 0 ]; then git mv d3 renamed; else mkdir renamed; git mv d3/numbers renamed/; fi
	git commit -qam "a change"
	git rebase -q main
	git gc -q --prune=now
	git fsck --full --strict
	git status --porcelain | tee /dev/stderr | wc -l | grep -qx 0'
inside=$(in_isle git rev-parse HEAD)
differs "$inside" "$(git rev-parse HEAD)"
same "$(tree_of "$T/src")" "$before" "the repository on the host"

# What a repository's configuration names is run later.
status_is 6 isle commit --yes git
isle commit --yes --allow=autostart git
same "$(git rev-parse HEAD)" "$inside"
git fsck --full --strict 2>&1
same "$(git status --porcelain)" ""
same "$(git ls-files renamed)" renamed/numbers
absent d2 d3
git -C "$T/clone" fsck --full
same "$(git -C "$T/clone" rev-list --count HEAD)" 8
status_is 0 isle status git >/dev/null
