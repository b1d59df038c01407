#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# apt-get installs and removes a small and a middle-sized package; the host has nothing of it.
# runs-as: root
# time-limit: 240
. "$(dirname "$0")/../lib.sh"

need apt-get dpkg
apt=(apt-get -y -q -o Dpkg::Use-Pty=0 -o APT::Install-Recommends=false)
in_isle() { isle run -q -n apt --keep -- env DEBIAN_FRONTEND=noninteractive "$@"; }
before=$(dpkg-query -W | sha256sum)
for package in hello ruby; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok' && skip "$package is installed on the host"
done

in_isle "${apt[@]}" install hello >"$T/log" 2>&1 || { tail -n 30 "$T/log"; fail "apt-get install hello"; }
same "$(in_isle hello)" "Hello, world!"
absent /usr/bin/hello
in_isle "${apt[@]}" install ruby >>"$T/log" 2>&1 || { tail -n 30 "$T/log"; fail "apt-get install ruby"; }
same "$(in_isle ruby -rjson -e 'puts JSON.generate([6 * 7])')" '[42]'
absent /usr/bin/ruby
same "$(in_isle dpkg --audit)" ""
same "$(in_isle dpkg --verify ruby hello)" ""

status_is 3 isle status --json apt >"$T/status"
python3 - "$T/status" <<'END'
import json, sys
changes = {c["path"]: c["kind"] for c in json.load(open(sys.argv[1]))["changes"]}
assert changes.get("/usr/bin/hello") == "create", changes.get("/usr/bin/hello")
assert changes.get("/var/lib/dpkg/status") == "modify", changes.get("/var/lib/dpkg/status")
strange = [p for p in changes if not p.startswith(("/usr/", "/var/", "/etc/", "/lib/", "/run/", "/tmp/"))]
assert not strange, strange
assert not [p for p, k in changes.items() if k == "delete" and p.startswith("/usr/bin/")]
END

in_isle "${apt[@]}" remove hello ruby >>"$T/log" 2>&1 || { tail -n 30 "$T/log"; fail "apt-get remove"; }
in_isle sh -c '! command -v hello && ! command -v ruby'
in_isle "${apt[@]}" purge hello ruby >>"$T/log" 2>&1
same "$(in_isle sh -c 'ls /usr/bin/hello /usr/bin/ruby 2>/dev/null || true')" ""
same "$(dpkg-query -W | sha256sum)" "$before" "packages of the host"
isle discard --yes apt
status_is 0 isle status apt >/dev/null
