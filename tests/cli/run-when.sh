#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# isle run --commit --when RULES: what the rules allow is committed without a question, never what is flagged or runs later; the
# rest stays in the isle. Rules that lie in the tree can only narrow.
# runs-as: root user
# time-limit: 150
. "$(dirname "$0")/../lib.sh"

P=$T/project
fresh() {
	rm -rf "$P" "$T/other"
	mkdir -p "$P/src" "$T/other"
	for f in src/a src/b note; do echo old >"$P/$f"; done
}
# try NAME RULES SCRIPT
try() {
	(cd "$P" && isle run -n "$1" --commit --when "$2" -- sh -eu -c "$3") 2>"$T/err"
}
left() {
	{ isle status -z --all "$1" || [ $? -eq 3 ]; } | tr '\0' '\n' | sed "s|^. $T/||" | sort | tr '\n' ' '
}

# The default for a project directory: everything in it but what runs later.
fresh
try project project 'echo new >src/a; echo 1 >src/new; rm note; mkdir deep; echo 1 >deep/f
	mkdir -p .git/hooks .github/workflows .vscode sub/.github; for f in .git/hooks/pre-commit .github/workflows/ci.yml .vscode/tasks.json \
		sub/.github/x Jenkinsfile .gitlab-ci.yml .envrc .isle-rules deep/.bashrc; do echo 1 >$f; done
	chmod +x .git/hooks/pre-commit; echo 1 >../other/outside; mkdir sub/fine; echo 1 >sub/fine/f; cp /bin/true suid; chmod 4755 suid'
content "$P/src/a" new
content "$P/src/new" 1
content "$P/deep/f" 1
content "$P/sub/fine/f" 1
absent "$P/note" "$P/.git/hooks/pre-commit" "$P/.github" "$P/.vscode" "$P/sub/.github" "$P/Jenkinsfile" "$P/.gitlab-ci.yml" "$P/.envrc" \
	"$P/.isle-rules" "$P/deep/.bashrc" "$T/other/outside" "$P/suid"
has "$(cat "$T/err")" "are not within the rules and stay in isle 'project'"
has "$(left project)" "project/.git/hooks/pre-commit"
has "$(left project)" "other/outside"
hasnt "$(left project)" "project/src/a "
isle undo -q --yes
content "$P/src/a" old
content "$P/note" old

# Paths and kinds; the first rule that fits decides; a rename counts under both names.
fresh
try kinds 'deny any ./src/b; allow modify,create ./src' 'echo new >src/a; echo new >src/b; echo 1 >src/new; echo new >note; rm src/a; echo again >src/a'
content "$P/src/a" again
content "$P/src/b" old
content "$P/src/new" 1
content "$P/note" old
fresh
try delete 'allow modify .' 'rm src/a; echo new >src/b; chmod 600 note'
exists "$P/src/a"
content "$P/src/b" new
same "$(stat -c %a "$P/note")" 644
fresh
try rename 'allow any ./src' 'mv note src/note; mv src/a away'
exists "$P/note"
absent "$P/away"
# For a user a rename of a host file is a deletion and a new file.
! is_root || exists "$P/src/a"

# A command that fails commits nothing; neither does a conflict.
fresh
status_is 3 try fails project 'echo new >src/a; exit 3'
content "$P/src/a" old
fresh
(cd "$P" && isle run -q -n moved -- sh -c 'cat src/b >/dev/null; echo new >src/b')
sleep 0.02
echo host >"$P/src/b"
try moved project 'echo new >src/a'
content "$P/src/a" old
content "$P/src/b" host

# A file of rules: outside it says what holds, inside it only narrows; either is read before the command runs, and neither is
# committed itself.
fresh
printf '# mine\nallow any %s\n\nallow any .\n' "$T/other" >"$T/rules"
try file "@$T/rules" 'echo 1 >../other/f; echo new >src/a; echo 1 >.bashrc'
content "$T/other/f" 1
content "$P/src/a" new
absent "$P/.bashrc"
fresh
printf 'deny any ./src/b\nallow any %s\nallow any .\nallow any /\n' "$T/other" >"$P/rules"
try inside "@$P/rules" 'echo 1 >../other/f; echo new >src/a; echo new >src/b; echo "allow any /" >rules; echo 1 >Jenkinsfile'
absent "$T/other/f" "$P/Jenkinsfile"
content "$P/src/a" new
content "$P/src/b" old
hasnt "$(head -1 "$P/rules")" allow
fresh
printf 'deny any ./src/b\nallow any /\n' >"$P/.isle-rules"
try own 'allow any /' 'echo new >src/a; echo new >src/b; rm .isle-rules; echo 1 >../other/f'
content "$P/src/a" new
content "$P/src/b" old
content "$T/other/f" 1
exists "$P/.isle-rules"
# Nor is the directory above it moved away.
fresh
mkdir "$P/conf"
printf 'allow any %s\n' "$P" >"$P/conf/rules"
try above "@$P/conf/rules" 'rm -r conf; echo new >src/a'
exists "$P/conf/rules"
content "$P/src/a" new

# The name of the directory is no pattern.
fresh
mkdir "$T/p*"
mkdir "$T/p-other"
(cd "$T/p*" && isle run -q -n star --commit --when 'allow any ./*; allow any .' -- sh -c 'echo 1 >in; echo 1 >../p-other/out')
exists "$T/p*/in"
absent "$T/p-other/out"

# Nonsense runs nothing.
for rules in 'maybe any .' 'allow' 'allow any' 'allow never .' 'allow any ./x; deny' "@$T/nothing" 'allow create,,modify .'; do
	status_is 125 try nonsense "$rules" 'echo ran >ran'
	absent "$P/ran"
done
status_is 125 isle run --when project -- true 2>/dev/null
nothing_left
