/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a path says about the risk of changing it.
 *
 * The rules are a table. A pattern that starts with '/' fits whole paths; any other fits the end of a path, from the
 * start of a component on, so that it holds in every home directory and every work tree. '*' is any part of a
 * component, "**" at the end any path below. What only a package's own files would be (units in /usr/lib, ...)
 * has no rule: it does nothing until something of the lists below refers to it.
 *
 * A directory itself is fit by the rules for what lies in it, when it is renamed or its mode changes. A symbolic
 * link may stand in for any directory above what a rule is about.
 */
#include "change_internal.h"
#include "path.h"
#include <string.h>

enum { AUTO = ISLE_MARK_AUTOSTART, CRED = ISLE_MARK_CREDENTIAL, CODE = ISLE_MARK_BYTECODE };

struct rule {
	const char *pattern;
	unsigned marks;
};

static const struct rule rules[] = {
	/* shells and log-in */
	{".bashrc", AUTO},
	{".bash_profile", AUTO},
	{".bash_login", AUTO},
	{".bash_logout", AUTO},
	{".bash_aliases", AUTO},
	{".profile", AUTO},
	{".zshrc", AUTO},
	{".zshenv", AUTO},
	{".zprofile", AUTO},
	{".zlogin", AUTO},
	{".zlogout", AUTO},
	{".kshrc", AUTO},
	{".mkshrc", AUTO},
	{".cshrc", AUTO},
	{".tcshrc", AUTO},
	{".login", AUTO},
	{".logout", AUTO},
	{".inputrc", AUTO},
	{".pam_environment", AUTO},
	{".config/fish/**", AUTO},
	{".config/environment.d/*", AUTO},
	{".xinitrc", AUTO},
	{".xsession", AUTO},
	{".xsessionrc", AUTO},
	{".xprofile", AUTO},
	{".envrc", AUTO},
	{"/etc/profile", AUTO},
	{"/etc/profile.d/*", AUTO},
	{"/etc/bash.bashrc", AUTO},
	{"/etc/bashrc", AUTO},
	{"/etc/bash_completion.d/*", AUTO},
	{"/etc/zsh/*", AUTO},
	{"/etc/zshenv", AUTO},
	{"/etc/zshrc", AUTO},
	{"/etc/zprofile", AUTO},
	{"/etc/fish/**", AUTO},
	{"/etc/csh.cshrc", AUTO},
	{"/etc/csh.login", AUTO},
	{"/etc/environment", AUTO},
	{"/etc/environment.d/*", AUTO},
	{"/etc/update-motd.d/*", AUTO},
	/* desktop */
	{".config/autostart/*", AUTO},
	{".config/autostart-scripts/*", AUTO},
	{".config/plasma-workspace/env/*", AUTO},
	{".config/i3/config", AUTO},
	{".config/sway/config", AUTO},
	{".config/hypr/*", AUTO},
	{"/etc/xdg/autostart/*", AUTO},
	{"/etc/X11/Xsession.d/*", AUTO},
	{"/etc/X11/xinit/**", AUTO},
	{"/usr/share/autostart/*", AUTO},
	/* cron, at */
	{"/etc/crontab", AUTO},
	{"/etc/anacrontab", AUTO},
	{"/etc/cron.d/*", AUTO},
	{"/etc/cron.hourly/*", AUTO},
	{"/etc/cron.daily/*", AUTO},
	{"/etc/cron.weekly/*", AUTO},
	{"/etc/cron.monthly/*", AUTO},
	{"/var/spool/cron/**", AUTO},
	{"/var/spool/at/**", AUTO},
	/* services */
	{"/etc/systemd/**", AUTO},
	{"/usr/local/lib/systemd/**", AUTO},
	{"/run/systemd/system/**", AUTO},
	{"/usr/lib/systemd/*-generators/*", AUTO},
	{"/usr/lib/systemd/system-shutdown/*", AUTO},
	{"/usr/lib/systemd/system-sleep/*", AUTO},
	{"/usr/lib/systemd/system/*.wants/*", AUTO},
	{"/usr/lib/systemd/system/*.requires/*", AUTO},
	{"/lib/systemd/system/*.wants/*", AUTO},
	{"/lib/systemd/system/*.requires/*", AUTO},
	{".config/systemd/**", AUTO},
	{".local/share/systemd/user/**", AUTO},
	{".local/share/dbus-1/services/*", AUTO},
	{"/etc/init.d/*", AUTO},
	{"/etc/rc.local", AUTO},
	{"/etc/rc?.d/*", AUTO},
	{"/etc/rc.d/**", AUTO},
	{"/etc/inittab", AUTO},
	{"/etc/init/*", AUTO},
	{"/etc/xinetd.d/*", AUTO},
	{"/etc/inetd.conf", AUTO},
	{"/etc/tmpfiles.d/*", AUTO},
	{"/etc/network/if-*.d/*", AUTO},
	{"/etc/network/interfaces", AUTO},
	{"/etc/network/interfaces.d/*", AUTO},
	{"/etc/NetworkManager/dispatcher.d/**", AUTO},
	{"/etc/networkd-dispatcher/**", AUTO},
	{"/etc/dhcp/dhclient-*-hooks.d/*", AUTO},
	{"/etc/ppp/ip-*", AUTO},
	{"/etc/acpi/**", AUTO},
	{"/etc/logrotate.conf", AUTO},
	{"/etc/logrotate.d/*", AUTO},
	{"/etc/aliases", AUTO},
	{".forward", AUTO},
	{".procmailrc", AUTO},
	/* kernel, boot, loader */
	{"/etc/ld.so.preload", AUTO},
	{"/etc/ld.so.conf", AUTO},
	{"/etc/ld.so.conf.d/*", AUTO},
	{"/etc/udev/**", AUTO},
	{"/run/udev/rules.d/*", AUTO},
	{"/etc/modules", AUTO},
	{"/etc/modules-load.d/*", AUTO},
	{"/etc/modprobe.d/*", AUTO},
	{"/etc/sysctl.conf", AUTO},
	{"/etc/sysctl.d/*", AUTO},
	{"/etc/binfmt.d/*", AUTO},
	{"/etc/initramfs-tools/**", AUTO},
	{"/etc/dracut.conf.d/*", AUTO},
	{"/etc/grub.d/*", AUTO},
	{"/etc/default/grub", AUTO},
	{"/etc/default/grub.d/*", AUTO},
	{"/etc/kernel/**", AUTO},
	{"/etc/fstab", AUTO},
	{"/etc/crypttab", AUTO},
	/* package managers' hooks */
	{"/etc/apt/apt.conf", AUTO},
	{"/etc/apt/apt.conf.d/*", AUTO},
	{"/etc/dpkg/dpkg.cfg", AUTO},
	{"/etc/dpkg/dpkg.cfg.d/*", AUTO},
	{"/etc/pacman.d/hooks/*", AUTO},
	{"/etc/yum/pluginconf.d/*", AUTO},
	{"/etc/dnf/plugins/*", AUTO},
	/* work trees and development tools */
	{".git/hooks/*", AUTO},
	{".git/config", AUTO},
	{".git/config.worktree", AUTO},
	{".git/modules/*/config", AUTO},
	{".git/modules/*/hooks/*", AUTO},
	{".git/info/attributes", AUTO},
	{".gitconfig", AUTO},
	{".config/git/config", AUTO},
	{".config/git/attributes", AUTO},
	{".config/git/hooks/*", AUTO},
	{"/etc/gitconfig", AUTO},
	{".hg/hgrc", AUTO},
	{".hgrc", AUTO},
	{".husky/**", AUTO},
	{".vscode/tasks.json", AUTO},
	{".vscode/settings.json", AUTO},
	{".vscode/launch.json", AUTO},
	{".vscode/extensions/**", AUTO},
	{".vscode-server/extensions/**", AUTO},
	{".idea/workspace.xml", AUTO},
	{".idea/runConfigurations/*", AUTO},
	{".devcontainer/**", AUTO},
	{".devcontainer.json", AUTO},
	{".claude/settings.json", AUTO},
	{".claude/settings.local.json", AUTO},
	{".cursor/mcp.json", AUTO},
	{".mcp.json", AUTO},
	{".vimrc", AUTO},
	{".vim/**", AUTO},
	{".exrc", AUTO},
	{".nvimrc", AUTO},
	{".config/nvim/**", AUTO},
	{".emacs", AUTO},
	{".emacs.d/**", AUTO},
	{".dir-locals.el", AUTO},
	{".gdbinit", AUTO},
	{".lldbinit", AUTO},
	{".pythonrc", AUTO},
	{".pythonstartup", AUTO},
	{"sitecustomize.py", AUTO},
	{"usercustomize.py", AUTO},
	{"site-packages/*.pth", AUTO},
	{"dist-packages/*.pth", AUTO},
	{".irbrc", AUTO},
	{".Rprofile", AUTO},
	{".screenrc", AUTO},
	{".tmux.conf", AUTO},
	{".config/tmux/*", AUTO},
	{".cargo/config", AUTO},
	{".cargo/config.toml", AUTO},
	{".cargo/env", AUTO},
	{".mailcap", AUTO},
	{".config/mimeapps.list", AUTO},
	/* who may log in, what is trusted */
	{"/etc/pam.d/*", AUTO | CRED},
	{"/etc/pam.conf", AUTO | CRED},
	{"/etc/security/**", CRED},
	{"/etc/nsswitch.conf", CRED},
	{"/etc/passwd", CRED},
	{"/etc/passwd-", CRED},
	{"/etc/shadow", CRED},
	{"/etc/shadow-", CRED},
	{"/etc/group", CRED},
	{"/etc/group-", CRED},
	{"/etc/gshadow", CRED},
	{"/etc/gshadow-", CRED},
	{"/etc/subuid", CRED},
	{"/etc/subgid", CRED},
	{"/etc/sudoers", CRED},
	{"/etc/sudoers.d/*", CRED},
	{"/etc/sudo.conf", CRED},
	{"/etc/doas.conf", CRED},
	{"/etc/polkit-1/**", CRED},
	{"/etc/securetty", CRED},
	{"/etc/shells", CRED},
	{"/etc/hosts.equiv", CRED},
	{"/etc/hosts.allow", CRED},
	{"/etc/hosts.deny", CRED},
	{"/etc/krb5.conf", CRED},
	{"/etc/krb5.keytab", CRED},
	{"/etc/ssh/**", CRED},
	{"/etc/ssl/certs/**", CRED},
	{"/etc/ssl/private/**", CRED},
	{"/etc/ca-certificates.conf", CRED},
	{"/etc/ca-certificates/**", CRED},
	{"/usr/local/share/ca-certificates/**", CRED},
	{"/etc/pki/**", CRED},
	{"/etc/apt/trusted.gpg", CRED},
	{"/etc/apt/trusted.gpg.d/*", CRED},
	{"/etc/apt/keyrings/*", CRED},
	{"/etc/apt/sources.list", CRED},
	{"/etc/apt/sources.list.d/*", CRED},
	{"/etc/apt/auth.conf", CRED},
	{"/etc/apt/auth.conf.d/*", CRED},
	{"/etc/yum.repos.d/*", CRED},
	{"/etc/wireguard/*", CRED},
	{".ssh/authorized_keys", CRED},
	{".ssh/authorized_keys2", CRED},
	{".ssh/config", AUTO | CRED},
	{".ssh/config.d/*", AUTO | CRED},
	{".ssh/rc", AUTO | CRED},
	{".ssh/environment", AUTO | CRED},
	{".ssh/id_*", CRED},
	{".gnupg/**", CRED},
	{".rhosts", CRED},
	{".shosts", CRED},
	{".k5login", CRED},
	{".netrc", CRED},
	{".npmrc", CRED},
	{".yarnrc", CRED},
	{".yarnrc.yml", CRED},
	{".pypirc", CRED},
	{".config/pip/pip.conf", CRED},
	{".pip/pip.conf", CRED},
	{"/etc/pip.conf", CRED},
	{".cargo/credentials", CRED},
	{".cargo/credentials.toml", CRED},
	{".gem/credentials", CRED},
	{".git-credentials", CRED},
	{".config/git/credentials", CRED},
	{".config/gh/hosts.yml", CRED},
	{".config/hub", CRED},
	{".aws/credentials", CRED},
	{".aws/config", CRED},
	{".azure/**", CRED},
	{".config/gcloud/**", CRED},
	{".docker/config.json", CRED},
	{".config/containers/auth.json", CRED},
	{".config/containers/policy.json", CRED},
	{".kube/config", CRED},
	{".terraformrc", CRED},
	{".terraform.d/credentials.tfrc.json", CRED},
	{".vault-token", CRED},
	{".pgpass", CRED},
	{".my.cnf", CRED},
	{".pki/**", CRED},
	{".local/share/keyrings/*", CRED},
	{".password-store/**", CRED},
	/* compiled code, which a reader of the sources does not see */
	{"*.pyc", CODE},
	{"*.pyo", CODE},
};

/* Does a name of this length fit a pattern of one component? '*' and '?' only. */
static bool fits_name(const char *pattern, size_t pattern_size, const char *name, size_t size)
{
	size_t p = 0, n = 0, star = SIZE_MAX, mark = 0;

	/* Most are told apart by their ends. */
	if (size > 0 && pattern_size > 0 && pattern[pattern_size - 1] != name[size - 1] &&
	    pattern[pattern_size - 1] != '*' && pattern[pattern_size - 1] != '?')
		return false;

	while (n < size) {
		if (p < pattern_size && pattern[p] == '*') {
			star = p++;
			mark = n;
		} else if (p < pattern_size && (pattern[p] == '?' || pattern[p] == name[n])) {
			p++;
			n++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			n = ++mark;
		} else {
			return false;
		}
	}
	while (p < pattern_size && pattern[p] == '*')
		p++;
	return p == pattern_size;
}

static size_t component_size(const char *path)
{
	return (size_t)(strchrnul(path, '/') - path);
}

enum fit {
	FIT_ALL,   /* the path is one that the rule is about */
	FIT_ABOVE, /* or it leads to such */
};

/* Both without a leading slash. */
static bool fits_path(const char *pattern, const char *path, enum fit fit)
{
	for (;;) {
		size_t pattern_size = component_size(pattern), size = component_size(path);

		if (strcmp(pattern, "**") == 0)
			return *path != '\0';
		if (!fits_name(pattern, pattern_size, path, size))
			return false;
		pattern += pattern_size;
		path += size;
		if (*path == '\0' && fit == FIT_ABOVE)
			return true;
		if (*pattern == '\0' || *path == '\0')
			return *pattern == *path;
		pattern++;
		path++;
	}
}

/*
 * Rules by what a path must have for them: those for whole paths by the first letters of its first two components,
 * others by the first letter of the component they start at. A rule that starts with '*' has one component.
 */
struct index {
	uint16_t whole[256], part[256], any; /* first rule of each chain + 1 */
	uint16_t next[ARRAY_SIZE(rules)];
	bool ready;
};

/* Where the second component starts, or the end. */
static unsigned char whole_key(const char *path)
{
	const char *slash = strchr(path, '/');

	return (unsigned char)((unsigned char)*path * 31 + (unsigned char)(slash ? slash[1] : 0));
}

static const struct index *get_index(void)
{
	static struct index index;

	for (size_t i = 0; i < ARRAY_SIZE(rules) && !index.ready; i++) {
		const char *pattern = rules[i].pattern;
		uint16_t *chain = &index.part[(unsigned char)*pattern];

		if (*pattern == '/')
			chain = &index.whole[whole_key(pattern + 1)];
		else if (*pattern == '*')
			chain = &index.any;
		index.next[i] = *chain;
		*chain = (uint16_t)(i + 1);
	}
	index.ready = true;
	return &index;
}

static unsigned follow(const struct index *index, uint16_t at, const char *path, enum fit fit)
{
	unsigned marks = 0;

	for (; at; at = index->next[at - 1]) {
		const char *pattern = rules[at - 1].pattern;

		if (fits_path(pattern + (*pattern == '/'), path, fit))
			marks |= rules[at - 1].marks;
	}
	return marks;
}

static unsigned whole_marks(const struct index *index, const char *path, enum fit fit)
{
	unsigned marks = 0;

	if (fit == FIT_ALL || strchr(path, '/'))
		return follow(index, index->whole[whole_key(path)], path, fit);
	for (size_t key = 0; key < ARRAY_SIZE(index->whole); key++)
		marks |= follow(index, index->whole[key], path, fit);
	return marks;
}

static unsigned plain_marks(const char *path, enum fit fit)
{
	const struct index *index = get_index();
	unsigned marks = whole_marks(index, path + 1, fit);
	const char *last = path;

	for (const char *at = path; at; at = strchr(at + 1, '/')) {
		marks |= follow(index, index->part[(unsigned char)at[1]], at + 1, fit);
		last = at;
	}
	return marks | follow(index, index->any, last + 1, FIT_ALL);
}

/* git makes these in every repository; it does not run them. */
static bool is_inert(const char *path, size_t size)
{
	return size > 7 && strcmp(path + size - 7, ".sample") == 0;
}

unsigned isle_path_marks(const char *path, uint32_t mode)
{
	auto_free char *inside = NULL;
	size_t size = strlen(path);

	if (*path != '/' || is_inert(path, size))
		return 0;
	if (S_ISLNK(mode))
		return plain_marks(path, FIT_ABOVE);
	if (!S_ISDIR(mode))
		return plain_marks(path, FIT_ALL);
	inside = isle_path_join(path, "-");
	return inside ? plain_marks(inside, FIT_ALL) : ISLE_MARK_AUTOSTART;
}
