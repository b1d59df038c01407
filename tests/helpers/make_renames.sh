#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make_renames.sh DIRECTORY: the tree that renames.py works on.
set -eu
mkdir -p "$1"
cd "$1"
mkdir -p plain/a/b slashes inner/deep outer onto onto2 empty full full2 full3 emptied itself/child dir nr1 nr2 nr3 ex1 ex2 ex3 ex4 \
	at/one link.d/below closed/d ro robelow/ro/x written/sub again open many
for i in plain/old plain/a/old plain/a/b/f slashes/f inner/deep/f onto/f onto2/f full/a full2/a full3/b emptied/a itself/child/f dir/f file \
	nr1/f nr2/f ex1/1 ex2/2 ex3/3 ex3file ex4/4 at/one/f link.d/below/f closed/d/f ro/f robelow/ro/f robelow/ro/x/f written/old \
	written/gone written/sub/f again/f open/file; do
	echo "content of $i" >"$i"
	touch -d '2001-02-03 04:05:06' "$i"
done
for i in $(seq 300); do echo "$i" >many/$i; done
ln plain/old plain/a/hard
ln -s ../nowhere plain/a/dangling
ln -s link.d link
mkfifo plain/fifo
chmod 2750 plain/a
chmod 0640 plain/old
chmod 0500 robelow/ro
chmod 0500 ro
chmod 0555 closed
find . -exec touch -hd '2001-02-03 04:05:06' {} +
