#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What real programs read is on record: the same program under strace outside says what that is.
# runs-as: root user
# time-limit: 300
. "$(dirname "$0")/../lib.sh"
need strace python3 gcc make git perl

here=$(dirname "$0")
W=$T/place
export HOME=$T/place/home
failed=

# compare NAME [IGNORE]... -- COMMAND: inside first, which leaves the host as it is; then outside, under strace.
compare() {
	local name=$1 ignore=() status=0
	shift
	while [ "$1" != -- ]; do ignore+=("$1"); shift; done
	shift
	mkdir -p "$HOME"
	find "$W" -print0 >"$T/snapshot"
	isle run -q -n "$name" --net none -- "$@" >"$T/out.inside" 2>&1 </dev/null || status=$?
	isle trace --json "$name" >"$T/json"
	isle discard -q --yes "$name" >/dev/null
	local outside=0
	strace -f -y -e trace=file,process,fchdir -e signal=none -s 8192 -o "$T/strace" "$@" >"$T/out.outside" 2>&1 </dev/null || outside=$?
	same "$status" "$outside" "status of $name"
	echo "$name:"
	python3 "$here/oracle.py" "$T/strace" "$T/json" "$T/snapshot" "$W" "${ignore[@]}" || failed="$failed $name"
}

mkdir -p "$W/tree/a/b" "$W/elsewhere"
cd "$W" || exit

# A shell that goes about: cd, relative paths, links, ..
echo one >tree/one; echo two >tree/a/two; echo three >tree/a/b/three; echo four >elsewhere/four
ln -s ../elsewhere tree/side; ln -s side/four tree/link; ln -s nowhere tree/broken; ln -s /etc/passwd tree/a/absolute
printf '#!/bin/sh\necho inner "$@"\n' >tree/inner; printf '#!%s\nouter\n' "$W/tree/inner" >tree/outer
chmod +x tree/inner tree/outer
compare shell -- sh -c '
	cd tree; cat one; cd a; cat two ../one b/../two; cd b; cat three; cd ../../side; pwd -P; cat four ../elsewhere/four
	cd "$OLDPWD"; cd ../..; cat link side/four; cat broken nowhere; head -n1 a/absolute; readlink link broken
	./outer x; echo new >new; cat new; ls a >list; cat list; test -e none; . ./none || true; ls side/ >/dev/null'

compare find -- find tree -type f -newer elsewhere/four
compare find-slash -- find tree/side/ -name 'f*'
compare grep -- grep -r three .
compare perl -- perl -MData::Dumper -MFile::Find -e 'find(sub { push @l, $_ }, "tree"); print Dumper(\@l); require POSIX;'
compare python '__pycache__' -- python3 -c 'import json, http.server, sqlite3, xml.dom.minidom, email, asyncio; print(json.dumps([1]))'

# configure and make in small
mkdir project
(cd project && {
	for i in $(seq 50); do
		printf '#include <stdio.h>\n#include "all.h"\nint f%d(void) { return %d; }\n' "$i" "$i" >"f$i.c"
		echo "int f$i(void);" >>all.h
	done
	printf '#include "all.h"\nint main(void) { return f1() - 1; }\n' >main.c
	cat >configure <<-'EOF'
		#!/bin/sh
		for f in unistd.h sys/none.h stdio.h; do
			echo "#include <$f>" >conftest.c
			if ${CC-gcc} -c conftest.c 2>/dev/null; then echo "#define HAVE_$(echo $f | tr a-z./ A-Z__) 1"; fi
			rm -f conftest.*
		done >config.h
		sed "s/@CC@/gcc/" Makefile.in >Makefile
	EOF
	chmod +x configure
	printf 'o = $(patsubst %%.c,%%.o,$(wildcard *.c))\nsum: $(o)\n\t@CC@ -o $@ $^\n%%.o: %%.c all.h config.h\n\t@CC@ -O0 -c -o $@ $<\n' >Makefile.in
})
compare build '/tmp/cc' '^/var/tmp/cc' '/cc[A-Za-z0-9]{6}' -- sh -c 'cd project && ./configure && make -s -j2 && ./sum'

printf '[user]\n\tname = x\n\temail = x@example.org\n' >home/.gitconfig
compare git 'tmp_obj_' '/objects/[0-9a-f]{2}(/|$)' 'COMMIT_EDITMSG' '\.lock$' -- \
	sh -c 'cd tree && git init -q . && git add . && git commit -qm one && echo more >>one && git status && git log --stat && git commit -qam two'
compare git-again 'tmp_obj_' '/objects/[0-9a-f]{2}(/|$)' '\.lock$' -- \
	sh -c 'cd tree && git status && git log && git diff HEAD~1 && git show HEAD:a/two && git checkout -q -b other && git gc -q'

compare static -- sh -c 'echo "int main(void){char b[9];return read(open(\"tree/one\",0),b,4)!=4;}" >s.c && gcc -w -static -o s s.c && ./s' '/cc[A-Za-z0-9]{6}'

# The comparison finds what is not there.
echo '{"reads":[],"runs":[]}' >"$T/nothing"
status_is 1 python3 "$here/oracle.py" "$T/strace" "$T/nothing" "$T/snapshot" "$W" >/dev/null
[ -z "$failed" ] || fail "differences:$failed"
