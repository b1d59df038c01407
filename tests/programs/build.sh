#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A C program of many files built by make, in parallel, and rebuilt after a change.
# runs-as: root user
# time-limit: 120
. "$(dirname "$0")/../lib.sh"

need gcc make
mkdir "$T/project"
cd "$T/project" || exit
for i in $(seq 30); do
	printf '#include <stdio.h>\n#include <stdlib.h>\n#include "all.h"\nint f%d(void) { return %d; }\n' "$i" "$i" >"f$i.c"
	echo "int f$i(void);" >>all.h
done
{
	printf '#include <stdio.h>\n#include "all.h"\nint main(void) { printf("%%d\\n", 0'
	for i in $(seq 30); do printf ' + f%d()' "$i"; done
	printf '); return 0; }\n'
} >main.c
cat >Makefile <<'END'
objects = $(patsubst %.c,%.o,$(wildcard *.c))
sum: $(objects)
	$(CC) -o $@ $^
%.o: %.c all.h
	$(CC) -O1 -c -o $@ $<
clean:
	rm -f sum $(objects)
END
in_isle() { isle run -q -n make --keep --net none -- "$@"; }
in_isle make -s -j2 sum
same "$(in_isle ./sum)" 465
absent sum main.o
# A second run has nothing to do: the times are right.
has "$(in_isle make sum)" "up to date"
in_isle sed -i 's/return 30/return 1030/' f30.c
same "$(in_isle make sum | grep -c -- ' -c ')" 1
same "$(in_isle ./sum)" 1465
isle commit --yes make
has "$(make sum)" "up to date"
same "$(./sum)" 1465
in_isle make -s clean
exists sum
isle commit --yes make
absent sum main.o
# A debugger's and a sanitizer's ways of starting a program work as well.
in_isle bash -ec 'gcc -g -fsanitize=address,undefined -o asan main.c f*.c && ASAN_OPTIONS=detect_leaks=0 ./asan' >/dev/null
in_isle env ASAN_OPTIONS=detect_leaks=0 strace -f -o trace ./asan >/dev/null
isle discard --yes make
