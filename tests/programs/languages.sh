#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# perl, node and java do their usual work: files, threads, subprocesses, sockets.
# runs-as: root user
# time-limit: 90
. "$(dirname "$0")/../lib.sh"

need perl node java
cd "$T" || exit
in_isle() { isle run -q -n lang --keep --net none -- "$@"; }
same "$(in_isle perl -MFile::Temp=tempfile -MIO::Socket::INET -e '
	my ($h, $name) = tempfile(DIR => "."); print $h "x" x 100; close $h; print -s $name, "\n"; unlink $name;
	my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die $!;
	if (!fork) { my $c = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $s->sockport) or die; print $c "hello\n"; exit }
	my $c = $s->accept; print <$c>; wait; print `echo from a shell`;')" $'100\nhello\nfrom a shell'
same "$(in_isle node -e '
	const fs = require("fs"), net = require("net"), { Worker } = require("worker_threads"), cp = require("child_process");
	fs.writeFileSync("made", "by node"); fs.renameSync("made", "moved"); fs.appendFileSync("moved", "!");
	console.log(fs.readFileSync("moved", "utf8"), cp.execSync("echo child").toString().trim());
	new Worker("require(\"worker_threads\").parentPort.postMessage(1)", { eval: true }).on("message", () => {
		const server = net.createServer(c => c.end("bye")).listen("./socket", () =>
			net.connect("./socket").on("data", d => { console.log(String(d)); server.close(); }));
	});')" $'by node! child\nbye'
absent moved socket
cat >Proof.java <<'END'
import java.nio.file.*;
import java.util.concurrent.*;
public class Proof {
	public static void main(String[] a) throws Exception {
		Path p = Files.createTempFile(Paths.get("."), "j", null);
		Files.write(p, "java".getBytes());
		Files.move(p, Paths.get("moved.java.txt"), StandardCopyOption.ATOMIC_MOVE);
		ExecutorService pool = Executors.newFixedThreadPool(4);
		int sum = 0;
		Callable<Integer> two = () -> 2;
		for (Future<Integer> f : pool.invokeAll(java.util.Collections.nCopies(20, two))) sum += f.get();
		pool.shutdown();
		Process c = new ProcessBuilder("sh", "-c", "exit 3").start();
		System.out.println(sum + " " + c.waitFor() + " " + Files.readString(Paths.get("moved.java.txt")));
	}
}
END
same "$(in_isle java -Xmx64m Proof.java)" "40 3 java"
absent moved.java.txt
status_is 3 isle status --json lang >"$T/status"
has "$(cat "$T/status")" moved.java.txt
