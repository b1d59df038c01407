#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A choice for each conflict, in a plan file that the user edits: they are obeyed, in both forms of the file, whatever bytes the
# names are made of; and nothing comes in that was not in the file.
# runs-as: root user
# time-limit: 200
. "$(dirname "$0")/../lib.sh"
need python3

D=$T/d
# fresh NAME SCRIPT: an isle whose script changed files of $D; then the host changes some.
fresh() {
	rm -rf "$D"
	mkdir -p "$D/old"
	for f in a b c e f g old/x; do echo "$f" >"$D/$f"; done
	(cd "$D" && isle run -q -n "$1" -- sh -eu -c "$2")
	sleep 0.02
}
many='for f in a b c e; do : <$f; echo isle >$f; done; rm f; echo new >n; : <g; echo isle >g'
host_moves() {
	for f in a b c e; do echo host >"$D/$f"; done
}

# choose FILE CHOICE PATH: by the hand of a user with an editor.
choose() {
	awk -v c="$2" -v p="$3" '$1 == "conflict" && substr($0, length($1 $2 $3) + 4) == p { $2 = c } { print }' "$1" >"$1.new"
	! cmp -s "$1" "$1.new" || fail "no conflict of $3 in: $(cat "$1")"
	mv "$1.new" "$1"
}
choose_json() {
	python3 - "$@" <<'EOF'
import json, sys, base64
file, choice, path = sys.argv[1], sys.argv[2], sys.argv[3].encode('utf-8', 'surrogateescape')
plan = json.load(open(file))
found = 0
for c in plan['conflicts']:
    if (base64.b64decode(c['path_b64']) if 'path_b64' in c else c['path'].encode()) == path:
        assert choice in c['choices'], c
        c['choice'] = choice
        found += 1
assert found == 1, found
json.dump(plan, open(file, 'w'))
EOF
}

for form in text json; do
	choose=choose
	[ $form = text ] || choose=choose_json
	plan=$T/plan.$form

	# The plan says what would be done, what conflicts and what may be chosen; nothing is done as long as one is not decided.
	fresh "one-$form" "$many"
	host_moves
	status_is 4 isle plan -o "$plan" "one-$form" >"$T/out" 2>"$T/err"
	has "$(cat "$T/out")" "$D/g"
	hasnt "$(grep -v '^plan ' "$T/out")" "$D/a"
	has "$(cat "$T/err")" "conflict: $D/a:"
	tree_of "$D" >"$T/before"
	status_is 4 isle commit --yes --plan "$plan" 2>"$T/err"
	has "$(cat "$T/err")" "conflict: $D/a:"
	tree_of "$D" | cmp - "$T/before"

	# Each is decided on its own.
	$choose "$plan" isle "$D/a"
	$choose "$plan" skip "$D/b"
	$choose "$plan" host "$D/c"
	status_is 4 isle commit -q --yes --plan "$plan" 2>/dev/null
	$choose "$plan" both "$D/e"
	isle commit -q --yes --plan "$plan" 2>/dev/null
	content "$D/a" isle
	content "$D/b" host
	content "$D/c" host
	content "$D/e" host
	content "$D/e.isle-new" isle
	content "$D/g" isle
	content "$D/n" new
	absent "$D/f"
	same "$({ isle status "one-$form" || :; } | sed '$d')" "M  $D/b  (changed on the host since)" "what is left in the isle"
	isle undo -q --yes "$(isle log | awk '/ commit / { print $1; exit }')"
	# But for the times of the directory itself.
	diff <(tree_of "$D" | sed 1d) <(sed 1d "$T/before")

	# The host moved on, before and after the choice: refused, and nothing is touched.
	fresh "moved-$form" "$many"
	host_moves
	status_is 4 isle plan -o "$plan" "moved-$form" >/dev/null 2>&1
	for f in a b c e; do $choose "$plan" isle "$D/$f"; done
	cp "$plan" "$T/copy"
	echo again >"$D/b"
	status_is 1 isle commit --yes --plan "$plan" 2>"$T/err"
	has "$(cat "$T/err")" "no longer fits"
	content "$D/a" host
	# A conflict that was not on the list stops it as well.
	status_is 4 isle plan -o "$plan" "moved-$form" >/dev/null 2>&1
	for f in a b c e; do $choose "$plan" isle "$D/$f"; done
	echo later >"$D/g"
	status_is 1 isle commit --yes --plan "$plan" 2>/dev/null
	content "$D/g" later
	# What the isle changed since is not in the file either.
	status_is 4 isle plan -o "$plan" "moved-$form" >/dev/null 2>&1
	for f in a b c e g; do $choose "$plan" isle "$D/$f"; done
	(cd "$D" && isle run -q -n "moved-$form" -- sh -c 'echo more >unseen')
	status_is 1 isle commit --yes --plan "$plan" 2>/dev/null
	content "$D/a" host
	absent "$D/unseen"

	# Lines taken out or put in are no way to leave things out: the file is refused.
	fresh "edited-$form" ': <g; echo isle >g; rm a'
	isle plan -o "$plan" "edited-$form" >/dev/null
	if [ $form = text ]; then
		sed -i "/^action .*\/g\$/d" "$plan"
	else
		python3 -c 'import json, sys
p = json.load(open(sys.argv[1])); del p["actions"][0]; json.dump(p, open(sys.argv[1], "w"))' "$plan"
	fi
	status_is 1 isle commit --yes --plan "$plan" 2>"$T/err"
	has "$(cat "$T/err")" "no longer fits"
	content "$D/g" g
	exists "$D/a"
done

# In a file with conflicts, too: an action without a line is refused.
fresh hidden "$many"
echo host >"$D/a"
status_is 4 isle plan -o "$T/plan" hidden >/dev/null 2>&1
choose "$T/plan" isle "$D/a"
sed -i "/^action .*\/g\$/d" "$T/plan"
status_is 1 isle commit --yes --plan "$T/plan" 2>/dev/null
content "$D/g" g
content "$D/a" host

# Nonsense is refused as such.
fresh bad ': <a; echo isle >a'
echo host >"$D/a"
status_is 4 isle plan -o "$T/plan" bad >/dev/null 2>&1
for edit in 's/^conflict abort/conflict maybe/' 's/^conflict abort modify/conflict isle create/' 's/^id .*/id x/' 's/^isle .*//' \
	'$a nonsense' '$a conflict isle modify "/x' '$a conflict isle modify "/x\\q"' "\$a conflict isle modify $D/a" '1s/.*/isle-plan 9/' \
	'$a id 1'; do
	sed "$edit" "$T/plan" >"$T/bad"
	sed -i 's/^conflict abort/conflict isle/' "$T/bad"
	! isle commit -q --yes --plan "$T/bad" 2>/dev/null || fail "obeyed: $edit"
	content "$D/a" host
done
for text in '' '{' '[]' '{"version":1}' '{"isle":"bad","isle":"bad"}' 'isle-plan 1' '{"isle":"b\u0000d","id":"x"}'; do
	printf '%s\n' "$text" >"$T/bad"
	status_is 1 isle commit -q --yes --plan "$T/bad" 2>/dev/null
done
status_is 2 isle commit --yes --on-conflict=skip --plan "$T/plan" 2>/dev/null

# Names that look like lines, words, escapes, patterns, or are no UTF-8.
names=($'new\nline' $'new\nconflict isle modify name' '"quoted"' 'back\slash' '\n' 'a b' ' lead' 'trail ' '#no' '*' '[a]' '?' $'\xff\xfe'
	$'tab\there' $'\e[31m' '"}],"choice":"isle","x":[{"' $'cr\r' 'ü' '-o' '~')
for form in text json; do
	rm -rf "$D"
	mkdir -p "$D"
	for n in "${names[@]}" victim; do echo old >"$D/$n"; done
	(cd "$D" && isle run -q -n "names-$form" -- sh -eu -c 'for f in ./*; do : <"$f"; echo isle >"$f"; done; : <victim; echo isle >victim')
	sleep 0.02
	for n in "${names[@]}"; do echo host >"$D/$n"; done
	plan=$T/plan.$form
	json=
	[ $form = text ] || json=--json
	status_is 4 isle plan $json -o "$plan" "names-$form" >/dev/null 2>"$T/err"
	# One has to be obeyed among all the others that are skipped; then the same with dropping, where a name must not act as a pattern.
	python3 - "$plan" "$D" <<'EOF'
import sys, json
file = sys.argv[1]
data = open(file, 'rb').read()
if data.startswith(b'{'):
    plan = json.loads(data)
    for i, c in enumerate(plan['conflicts']):
        c['choice'] = ['isle', 'host', 'skip'][i % 3]
    json.dump(plan, open(file, 'w'))
    sys.exit()
lines, i = data.split(b'\n'), 0
for k, line in enumerate(lines):
    if line.startswith(b'conflict abort '):
        lines[k] = b'conflict ' + [b'isle', b'host', b'skip'][i % 3] + line[14:]
        i += 1
open(file, 'wb').write(b'\n'.join(lines))
EOF
	isle commit -q --yes --plan "$plan" 2>/dev/null
	content "$D/victim" isle
	isle_won=0 host_won=0
	for n in "${names[@]}"; do
		case $(cat -- "$D/$n") in
		isle) isle_won=$((isle_won + 1)) ;;
		host) host_won=$((host_won + 1)) ;;
		*) fail "$n" ;;
		esac
	done
	same "$isle_won $host_won" "$(((${#names[@]} + 2) / 3)) $((${#names[@]} - (${#names[@]} + 2) / 3))"
	same "$({ isle status -z "names-$form" || :; } | tr -cd '\0' | wc -c)" $((${#names[@]} / 3)) "skipped"
done

# Dropping what conflicts takes no name for a pattern.
rm -rf "$D"
mkdir "$D"
echo old >"$D/*"
echo old >"$D/other"
(cd "$D" && isle run -q -n drop -- sh -eu -c ': <"*"; : <other; echo isle >"*"; echo isle >other')
sleep 0.02
echo host >"$D/*"
isle commit -q --yes --on-conflict=host drop "$D/[*]" 2>/dev/null
same "$({ isle status drop || :; } | sed '$d')" "M  $D/other"

# The selection is saved as bytes, and exceptions as they were meant where they were said.
rm -rf "$D"
mkdir -p "$D/sub"
(cd "$D" && isle run -q -n bytes -- sh -eu -c "echo 1 >\$(printf '\\377x'); echo 1 >sub/keep; echo 1 >sub/take; echo 1 >other")
(cd "$D/sub" && isle plan --json -o "$T/plan" bytes --except ./keep "$D/"$'\xffx' "$D/sub" >/dev/null)
(cd / && isle commit -q --yes --plan "$T/plan")
exists "$D/"$'\xffx' "$D/sub/take"
absent "$D/sub/keep" "$D/other"
nothing_left
