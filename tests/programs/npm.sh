#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# npm installs a package from the registry, and node runs it.
# runs-as: root user
# time-limit: 180
. "$(dirname "$0")/../lib.sh"

need node npm
mkdir "$T/project" "$T/cache"
cd "$T/project" || exit
echo '{"name": "proof", "version": "1.0.0", "private": true}' >package.json
in_isle() { isle run -q -n npm --keep -- env npm_config_cache="$T/cache" npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false "$@"; }

in_isle npm install --no-progress --loglevel=error semver@7.5.4 mkdirp@1.0.4 >"$T/log" 2>&1 || { tail -n 30 "$T/log"; fail "npm install"; }
same "$(in_isle node -e 'console.log(require("semver").inc("1.2.3", "minor"))')" 1.3.0
in_isle node_modules/.bin/mkdirp deep/er/dir
absent node_modules deep
same "$(ls)" package.json
isle commit --yes npm "$T/project"
same "$(node -e 'console.log(require("semver").inc("1.2.3", "major"))')" 2.0.0
node_modules/.bin/semver -r '>=1' 1.2.3 >/dev/null
exists deep/er/dir
has "$(cat package.json)" semver
absent "$T/cache/_cacache"
in_isle npm uninstall --no-progress --loglevel=error mkdirp >"$T/log" 2>&1
exists node_modules/mkdirp
isle commit --yes npm "$T/project"
absent node_modules/mkdirp
exists node_modules/semver
