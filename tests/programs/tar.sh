#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tar packs and unpacks with every kind of metadatum; a commit keeps them all.
# runs-as: root user
# time-limit: 60
. "$(dirname "$0")/../lib.sh"

need tar setfacl setfattr
mkdir "$T/src"
cd "$T/src" || exit
mkdir -p d/e empty
echo one >d/f
ln d/f d/hard
ln -s f d/soft
ln -s /nowhere d/dangling
mkfifo d/fifo
truncate -s 3M d/sparse
echo data | dd of=d/sparse bs=1 seek=2000000 conv=notrunc status=none
setfattr -n user.note -v 'a note' d/f
# A user's isle knows no other users, so nobody else's name can be in its lists (doc/fidelity.md).
other=4321
is_root || other=$(id -u)
setfacl -m u:$other:r d/e
setfacl -d -m g:$other:rx empty
chmod 640 d/f
chmod 1777 empty
touch -d '2011-11-11 11:11:11.123456789' d/f d/e
touch -hd '2010-10-10' d/soft
chmod 0500 d/e
if is_root; then
	chown 123:456 d/f
	chown -h 7:8 d/soft
	chown 4321:99 empty
fi
cd "$T" || exit
tar=(tar --xattrs --xattrs-include='user.*' --acls --sparse --numeric-owner)
"${tar[@]}" -cf host.tar -C src .
mkdir native
"${tar[@]}" -xpf host.tar -C native
in_isle() { isle run -q -n tar --keep --net none -- "$@"; }

in_isle mkdir inside
in_isle "${tar[@]}" -xpf host.tar -C inside
absent inside
# What is packed in the isle is what is packed outside.
in_isle "${tar[@]}" -cf again.tar -C inside .
isle commit --yes --allow=acl tar
same "$(tree_of inside | sed '/^\. d/d')" "$(tree_of native | sed '/^\. d/d')" "the unpacked tree"
same "$(stat -c %h inside/d/f)" 2
[ "$(stat -c %b inside/d/sparse)" -le "$(stat -c %b native/d/sparse)" ] || fail "the holes are filled"
mkdir third
"${tar[@]}" -xpf again.tar -C third
same "$(tree_of third | sed '/^\. d/d')" "$(tree_of native | sed '/^\. d/d')" "packed in the isle"
