#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# list_calls.sh CC...: prints words.c's table of all system calls that the headers know, so that new ones are included.
echo '#include <sys/syscall.h>' | "$@" -E -dM - |
	sed -n 's/^#define __NR_\([a-z0-9_]*\) .*/\1/p' | sort |
	while read -r name; do
		case $name in
		syscalls | arch_specific_syscall) ;;
		*) printf '#ifdef __NR_%s\n\t{"%s", __NR_%s},\n#endif\n' "$name" "$name" "$name" ;;
		esac
	done
