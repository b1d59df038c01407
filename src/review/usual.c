/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system's own directories, and the few files of /etc and /var that the C library and most programs look at. A list
 * of reads without them is what a person wants to see.
 */
#include "macros.h"
#include "patterns.h"
#include "trace_internal.h"

static const struct isle_pattern usual[] = {
	{"/usr/**", 1}, /* programs, libraries, shared data */
	{"/bin/**", 1}, /* the same, where they are not in /usr */
	{"/sbin/**", 1},
	{"/lib/**", 1},
	{"/lib32/**", 1},
	{"/lib64/**", 1},
	{"/libx32/**", 1},
	{"/bin", 1}, /* the links that lead into /usr */
	{"/sbin", 1},
	{"/lib", 1},
	{"/lib64", 1},
	{"/nix/store/**", 1}, /* the same of Nix */
	{"/gnu/store/**", 1}, /* the same of Guix */
	{"/snap/**", 1},      /* read-only images */
	{"/var/lib/flatpak/**", 1},
	{"/proc/**", 1},	 /* the isle's own */
	{"/sys/**", 1},		 /* read-only inside */
	{"/dev/**", 1},		 /* the isle's own */
	{"/etc/ld.so.cache", 1}, /* the loader */
	{"/etc/ld.so.preload", 1},
	{"/etc/ld.so.conf", 1},
	{"/etc/ld.so.conf.d/*", 1},
	{"/etc/ld-musl*", 1},
	{"/etc/localtime", 1}, /* the C library */
	{"/etc/timezone", 1},
	{"/etc/locale.alias", 1},
	{"/etc/locale.conf", 1},
	{"/etc/default/locale", 1},
	{"/etc/nsswitch.conf", 1},
	{"/etc/passwd", 1}, /* names of users, readable to all */
	{"/etc/group", 1},
	{"/etc/subuid", 1},
	{"/etc/subgid", 1},
	{"/etc/hosts", 1}, /* names of machines */
	{"/etc/host.conf", 1},
	{"/etc/hostname", 1},
	{"/etc/resolv.conf", 1},
	{"/run/systemd/resolve/*", 1},
	{"/etc/gai.conf", 1},
	{"/etc/services", 1},
	{"/etc/protocols", 1},
	{"/etc/networks", 1},
	{"/etc/ethers", 1},
	{"/etc/rpc", 1},
	{"/etc/machine-id", 1},
	{"/etc/os-release", 1}, /* which system it is */
	{"/etc/lsb-release", 1},
	{"/etc/debian_version", 1},
	{"/etc/redhat-release", 1},
	{"/etc/alternatives/*", 1}, /* which program a name is */
	{"/etc/ssl/certs/**", 1},   /* whom to trust */
	{"/etc/ssl/openssl.cnf", 1},
	{"/etc/pki/ca-trust/**", 1},
	{"/etc/ca-certificates/**", 1},
	{"/etc/crypto-policies/**", 1},
	{"/etc/gnutls/*", 1},
	{"/etc/profile", 1}, /* shells */
	{"/etc/profile.d/*", 1},
	{"/etc/bash.bashrc", 1},
	{"/etc/inputrc", 1},
	{"/etc/environment", 1},
	{"/etc/shells", 1},
	{"/etc/terminfo/**", 1}, /* terminals */
	{"/etc/fonts/**", 1},	 /* desktops */
	{"/var/cache/fontconfig/*", 1},
	{"/etc/mime.types", 1},
	{"/etc/magic", 1},	/* file(1) */
	{"/etc/python3*/*", 1}, /* interpreters' site files */
	{"/etc/perl/**", 1},
	{"/etc/gitconfig", 1},
	{"/etc/selinux/config", 1},
	{"/etc/apparmor/*", 1},
};

bool isle_usual_read(const char *path)
{
	static uint16_t next[ARRAY_SIZE(usual)];
	static struct isle_patterns set = {.list = usual, .count = ARRAY_SIZE(usual), .next = next};

	return *path == '/' && isle_patterns_value(&set, path, ISLE_FIT_ALL) != 0;
}
