#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A web server on a loopback port, with a client in the same isle and none outside.
# runs-as: root user
# time-limit: 60
. "$(dirname "$0")/../lib.sh"

need nginx curl
mkdir -p "$T/www/logs"
cd "$T/www" || exit
echo 'hello from inside' >index.html
cat >nginx.conf <<END
daemon on; pid $T/www/pid; error_log $T/www/logs/error;
events { }
http { access_log $T/www/logs/access; client_body_temp_path $T/www/b; proxy_temp_path $T/www/p; fastcgi_temp_path $T/www/f;
 uwsgi_temp_path $T/www/u; scgi_temp_path $T/www/s; server { listen 127.0.0.1:18080; listen [::1]:18080; root $T/www; } }
END
is_root && sed -i '1i user root;' nginx.conf
for mode in none internet; do
	# The daemon goes to the background, is used, and is ended with the run.
	isle run -q -n web-$mode --keep --net $mode -- bash -ec '
		nginx -c "$PWD/nginx.conf" -p "$PWD" -e "$PWD/logs/error"
		curl -sf http://127.0.0.1:18080/index.html
		curl -sf "http://[::1]:18080/index.html"
		if [ "$(id -u)" = 0 ]; then sed -i "s/18080/80/g" nginx.conf; nginx -s reload -c "$PWD/nginx.conf" -p "$PWD"; sleep 0.5; curl -sf http://localhost/; fi' >"$T/out.$mode"
	has "$(cat "$T/out.$mode")" 'hello from inside'
	status_is 7 curl -s http://127.0.0.1:18080/
	status_is 3 isle status web-$mode >"$T/status"
	has "$(cat "$T/status")" access
	absent "$T/www/logs/access"
	same "$(isle run -q -n web-$mode --keep --net none -- grep -c 'GET' logs/access)" "$(grep -c hello "$T/out.$mode")"
done
# What listens on the host's loopback is not to be reached from inside.
python3 -m http.server --bind 127.0.0.1 18081 --directory "$T/www" >/dev/null 2>&1 &
export server=$!
at_end 'kill $server'
wait_for 10 curl -sf -o /dev/null http://127.0.0.1:18081/index.html
for mode in none internet; do
	status_is 1 isle run -q --discard --net $mode -- bash -c 'curl -sf -m 3 http://127.0.0.1:18081/index.html && exit 0; exit 1'
done
same "$(isle run -q --discard --net host -- curl -sf http://127.0.0.1:18081/index.html)" 'hello from inside'
