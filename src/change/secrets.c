/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules are a table of patterns (patterns.h), by kind. `harmless` takes back what lies beside secrets under
 * names that are known: public keys, examples.
 */
#include "secrets.h"

#include <stddef.h>
#include <string.h>

#include "macros.h"
#include "path.h"
#include "patterns.h"

enum {
	SSH = ISLE_SECRET_SSH,
	GPG = ISLE_SECRET_GPG,
	CLOUD = ISLE_SECRET_CLOUD,
	REGISTRY = ISLE_SECRET_REGISTRY,
	FORGE = ISLE_SECRET_FORGE,
	PASSWORD = ISLE_SECRET_PASSWORD,
	BROWSER = ISLE_SECRET_BROWSER,
	SYSTEM = ISLE_SECRET_SYSTEM,
	ENV = ISLE_SECRET_ENV,
	DATABASE = ISLE_SECRET_DATABASE,
	WALLET = ISLE_SECRET_WALLET,
	MAIL = ISLE_SECRET_MAIL,
	HISTORY = ISLE_SECRET_HISTORY,
	OTHER = ISLE_SECRET_OTHER,
};

static const struct isle_pattern rules[] = {
	{".ssh/**", SSH},				      /* keys have any name; less what is harmless */
	{"/etc/ssh/ssh_host_*_key", SSH},		      /* who this machine is to others */
	{".putty/**", SSH},				      /* PuTTY's sessions and keys */
	{"*.ppk", SSH},					      /* PuTTY's private keys */
	{".gnupg/private-keys-v1.d/*", GPG},		      /* GnuPG 2.1 and later: one file for each key */
	{".gnupg/secring.gpg", GPG},			      /* before it */
	{".gnupg/openpgp-revocs.d/*", GPG},		      /* who has one can revoke the key */
	{".local/share/sequoia/keystore/**", GPG},	      /* Sequoia's keys */
	{".config/age/*", GPG},				      /* age identities */
	{".config/sops/age/*", GPG},			      /* sops: age identities */
	{".aws/credentials", CLOUD},			      /* Amazon: access keys */
	{".aws/config", CLOUD},				      /* may hold keys, too, and says which accounts */
	{".aws/sso/cache/*", CLOUD},			      /* sign-on tokens */
	{".aws/cli/cache/*", CLOUD},			      /* assumed roles */
	{".boto", CLOUD},				      /* Amazon, Google: keys of the Python library */
	{".s3cfg", CLOUD},				      /* s3cmd */
	{".config/gcloud/**", CLOUD},			      /* Google: credentials.db, access_tokens.db, defaults */
	{".azure/**", CLOUD},				      /* Azure: token caches, service principals */
	{".kube/config", CLOUD},			      /* Kubernetes: cluster tokens and certificates */
	{".kube/cache/**", CLOUD},			      /* what clusters hold */
	{"/etc/kubernetes/**", CLOUD},			      /* admin.conf, pki of a cluster's node */
	{"/etc/rancher/**", CLOUD},			      /* k3s.yaml */
	{"/var/run/secrets/**", CLOUD},			      /* what a pod is given */
	{"/run/secrets/**", CLOUD},			      /* what a container or a build is given */
	{".docker/config.json", CLOUD},			      /* registry log-ins */
	{".dockercfg", CLOUD},				      /* the same, old */
	{".config/containers/auth.json", CLOUD},	      /* podman, buildah, skopeo */
	{".terraform.d/credentials.tfrc.json", CLOUD},	      /* Terraform Cloud token */
	{".terraformrc", CLOUD},			      /* may hold the same */
	{"*.tfstate", CLOUD},				      /* Terraform state holds every secret it made */
	{".vault-token", CLOUD},			      /* HashiCorp Vault */
	{".config/doctl/config.yaml", CLOUD},		      /* DigitalOcean */
	{".config/hcloud/cli.toml", CLOUD},		      /* Hetzner */
	{".config/linode-cli", CLOUD},			      /* Linode */
	{".config/scw/config.yaml", CLOUD},		      /* Scaleway */
	{".config/flyctl/config.yml", CLOUD},		      /* Fly */
	{".fly/config.yml", CLOUD},			      /* the same */
	{".config/heroku/**", CLOUD},			      /* Heroku */
	{".config/vercel/auth.json", CLOUD},		      /* Vercel */
	{".local/share/com.vercel.cli/auth.json", CLOUD},     /* the same */
	{".config/netlify/config.json", CLOUD},		      /* Netlify */
	{".wrangler/config/*", CLOUD},			      /* Cloudflare */
	{".config/.wrangler/config/*", CLOUD},		      /* the same */
	{".oci/**", CLOUD},				      /* Oracle */
	{".bluemix/**", CLOUD},				      /* IBM */
	{".aliyun/config.json", CLOUD},			      /* Alibaba */
	{".config/openstack/clouds.yaml", CLOUD},	      /* OpenStack */
	{".config/rclone/rclone.conf", CLOUD},		      /* rclone's remotes */
	{".pulumi/credentials.json", CLOUD},		      /* Pulumi */
	{".ansible/vault*", CLOUD},			      /* vault passwords */
	{".netrc", REGISTRY},				      /* log-ins of curl, git, pip and others */
	{".npmrc", REGISTRY},				      /* npm: publishing tokens */
	{".yarnrc", REGISTRY},				      /* Yarn 1 */
	{".yarnrc.yml", REGISTRY},			      /* Yarn 2 and later */
	{".bunfig.toml", REGISTRY},			      /* bun */
	{".pypirc", REGISTRY},				      /* PyPI */
	{".config/pip/pip.conf", REGISTRY},		      /* index URLs with passwords */
	{".pip/pip.conf", REGISTRY},			      /* the same */
	{".config/pypoetry/auth.toml", REGISTRY},	      /* poetry */
	{".condarc", REGISTRY},				      /* channels with tokens */
	{".cargo/credentials", REGISTRY},		      /* crates.io */
	{".cargo/credentials.toml", REGISTRY},		      /* the same */
	{".gem/credentials", REGISTRY},			      /* RubyGems */
	{".local/share/gem/credentials", REGISTRY},	      /* the same */
	{".bundle/config", REGISTRY},			      /* Bundler: private sources */
	{".composer/auth.json", REGISTRY},		      /* PHP Composer */
	{".config/composer/auth.json", REGISTRY},	      /* the same */
	{".m2/settings.xml", REGISTRY},			      /* Maven servers */
	{".m2/settings-security.xml", REGISTRY},	      /* its master password */
	{".gradle/gradle.properties", REGISTRY},	      /* Gradle: signing keys, repositories */
	{".nuget/NuGet.Config", REGISTRY},		      /* NuGet */
	{".config/NuGet/NuGet.Config", REGISTRY},	      /* the same */
	{".hex/hex.config", REGISTRY},			      /* Elixir */
	{".cabal/config", REGISTRY},			      /* Hackage */
	{".cpan/CPAN/MyConfig.pm", REGISTRY},		      /* CPAN */
	{".pause", REGISTRY},				      /* CPAN uploads */
	{".dput.cf", REGISTRY},				      /* Debian uploads */
	{"/etc/apt/auth.conf", REGISTRY},		      /* log-ins of apt */
	{"/etc/apt/auth.conf.d/*", REGISTRY},		      /* the same */
	{".git-credentials", FORGE},			      /* git's plain-text store */
	{".config/git/credentials", FORGE},		      /* the same */
	{".config/gh/hosts.yml", FORGE},		      /* GitHub */
	{".config/hub", FORGE},				      /* GitHub, older tool */
	{".config/github-copilot/*", FORGE},		      /* tokens of editors */
	{".config/glab-cli/config.yml", FORGE},		      /* GitLab */
	{".config/tea/config.yml", FORGE},		      /* Gitea */
	{".config/slack/**", FORGE},			      /* chat sessions */
	{".config/Slack/**", FORGE},			      /* the same */
	{".config/discord/Local Storage/**", FORGE},	      /* chat tokens */
	{".local/share/TelegramDesktop/tdata/**", FORGE},     /* chat keys */
	{".config/Signal/**", FORGE},			      /* chat keys */
	{".config/openai/**", FORGE},			      /* API keys */
	{".openai/**", FORGE},				      /* the same */
	{".anthropic/**", FORGE},			      /* API keys */
	{".claude/.credentials.json", FORGE},		      /* API log-in */
	{".codex/auth.json", FORGE},			      /* API log-in */
	{".huggingface/token", FORGE},			      /* model hub */
	{".cache/huggingface/token", FORGE},		      /* the same */
	{".kaggle/kaggle.json", FORGE},			      /* data hub */
	{".config/sentry*", FORGE},			      /* Sentry */
	{".sentryclirc", FORGE},			      /* the same */
	{".password-store/**", PASSWORD},		      /* pass */
	{".local/share/gopass/**", PASSWORD},		      /* gopass */
	{".local/share/keyrings/*", PASSWORD},		      /* GNOME */
	{".gnome2/keyrings/*", PASSWORD},		      /* the same, old */
	{".local/share/kwalletd/*", PASSWORD},		      /* KDE */
	{".kde/share/apps/kwallet/*", PASSWORD},	      /* the same, old */
	{"*.kdbx", PASSWORD},				      /* KeePass */
	{"*.kdb", PASSWORD},				      /* the same, old */
	{".config/Bitwarden/**", PASSWORD},		      /* Bitwarden */
	{".config/Bitwarden CLI/**", PASSWORD},		      /* the same */
	{".config/1Password/**", PASSWORD},		      /* 1Password */
	{".config/op/**", PASSWORD},			      /* the same */
	{".lastpass/**", PASSWORD},			      /* LastPass */
	{".config/lpass/**", PASSWORD},			      /* the same */
	{".authinfo", PASSWORD},			      /* Emacs */
	{".authinfo.gpg", PASSWORD},			      /* the same, encrypted */
	{".smbcredentials", PASSWORD},			      /* Windows shares */
	{".pki/nssdb/*", PASSWORD},			      /* certificates with private keys */
	{"logins.json", BROWSER},			      /* Firefox: passwords */
	{"key3.db", BROWSER},				      /* Firefox: what they are encrypted with */
	{"key4.db", BROWSER},				      /* the same */
	{"signons.sqlite", BROWSER},			      /* Firefox: passwords, old */
	{"cookies.sqlite", BROWSER},			      /* Firefox: sessions */
	{"places.sqlite", BROWSER},			      /* Firefox: history */
	{"formhistory.sqlite", BROWSER},		      /* Firefox: what was typed */
	{"sessionstore.jsonlz4", BROWSER},		      /* Firefox: open pages */
	{"sessionstore-backups/*", BROWSER},		      /* the same */
	{"Login Data", BROWSER},			      /* Chrome and its relatives: passwords */
	{"Login Data For Account", BROWSER},		      /* the same */
	{"Default/Cookies", BROWSER},			      /* Chrome: sessions */
	{"Profile*/Cookies", BROWSER},			      /* the same, further profiles */
	{"Network/Cookies", BROWSER},			      /* the same, newer */
	{"Default/History", BROWSER},			      /* Chrome: history */
	{"Profile*/History", BROWSER},			      /* the same, further profiles */
	{"Default/Web Data", BROWSER},			      /* Chrome: cards, what was typed */
	{"Profile*/Web Data", BROWSER},			      /* the same, further profiles */
	{".config/google-chrome/Local State", BROWSER},	      /* Chrome: what is encrypted with */
	{".config/chromium/Local State", BROWSER},	      /* the same */
	{"/etc/shadow", SYSTEM},			      /* password hashes */
	{"/etc/shadow-", SYSTEM},			      /* the same, backup */
	{"/etc/gshadow", SYSTEM},			      /* of groups */
	{"/etc/gshadow-", SYSTEM},			      /* the same, backup */
	{"/etc/security/opasswd", SYSTEM},		      /* old password hashes */
	{"/etc/sudoers", SYSTEM},			      /* who may become root */
	{"/etc/sudoers.d/*", SYSTEM},			      /* the same */
	{"/etc/krb5.keytab", SYSTEM},			      /* Kerberos: keys of this machine */
	{"/etc/ssl/private/**", SYSTEM},		      /* TLS keys */
	{"/etc/pki/tls/private/**", SYSTEM},		      /* the same */
	{"/etc/letsencrypt/**", SYSTEM},		      /* the same, and the account */
	{"/etc/wireguard/*", SYSTEM},			      /* VPN keys */
	{"/etc/openvpn/**", SYSTEM},			      /* the same */
	{"/etc/ipsec.secrets", SYSTEM},			      /* the same */
	{"/etc/NetworkManager/system-connections/*", SYSTEM}, /* Wi-Fi and VPN passwords */
	{"/etc/wpa_supplicant/*", SYSTEM},		      /* Wi-Fi passwords */
	{"/var/lib/iwd/*", SYSTEM},			      /* the same */
	{"/etc/ppp/*-secrets", SYSTEM},			      /* dial-in passwords */
	{"/etc/exim4/passwd.client", SYSTEM},		      /* mail relay log-in */
	{"/etc/postfix/sasl_passwd", SYSTEM},		      /* the same */
	{"/etc/credstore/**", SYSTEM},			      /* systemd credentials */
	{"/etc/credstore.encrypted/**", SYSTEM},	      /* the same */
	{"/var/lib/systemd/credential.secret", SYSTEM},	      /* what they are encrypted with */
	{"/var/lib/private/**", SYSTEM},		      /* state that services hide */
	{".env", ENV},					      /* secrets of a project */
	{".env.*", ENV},				      /* the same: .env.local, .env.production */
	{".envrc", ENV},				      /* direnv */
	{".flaskenv", ENV},				      /* Flask */
	{"secrets.yml", ENV},				      /* Rails and others */
	{"secrets.yaml", ENV},				      /* the same */
	{"secrets.json", ENV},				      /* .NET and others */
	{"config/master.key", ENV},			      /* Rails */
	{"credentials.json", ENV},			      /* Google service accounts and others */
	{"service-account*.json", ENV},			      /* the same */
	{"wp-config.php", ENV},				      /* WordPress */
	{".htpasswd", ENV},				      /* web server passwords */
	{".vault_pass*", ENV},				      /* Ansible */
	{".pgpass", DATABASE},				      /* PostgreSQL */
	{".my.cnf", DATABASE},				      /* MySQL */
	{".mylogin.cnf", DATABASE},			      /* the same */
	{"/etc/mysql/debian.cnf", DATABASE},		      /* its maintenance log-in */
	{".mongorc.js", DATABASE},			      /* MongoDB */
	{".rediscli*", DATABASE},			      /* Redis */
	{".dbeaver4/**", DATABASE},			      /* DBeaver */
	{".local/share/DBeaverData/**", DATABASE},	      /* the same */
	{"wallet.dat", WALLET},				      /* Bitcoin and relatives */
	{".bitcoin/**", WALLET},			      /* the same */
	{".electrum/wallets/*", WALLET},		      /* Electrum */
	{".ethereum/keystore/*", WALLET},		      /* Ethereum */
	{".config/solana/id.json", WALLET},		      /* Solana */
	{".monero/**", WALLET},				      /* Monero */
	{".config/Exodus/**", WALLET},			      /* Exodus */
	{".thunderbird/**", MAIL},			      /* mail and its passwords */
	{".mutt/**", MAIL},				      /* log-ins in muttrc */
	{".muttrc", MAIL},				      /* the same */
	{".msmtprc", MAIL},				      /* SMTP log-in */
	{".fetchmailrc", MAIL},				      /* IMAP log-in */
	{".mbsyncrc", MAIL},				      /* the same */
	{".offlineimaprc", MAIL},			      /* the same */
	{".local/share/evolution/**", MAIL},		      /* Evolution */
	{"/var/mail/*", MAIL},				      /* mailboxes */
	{"/var/spool/mail/*", MAIL},			      /* the same */
	{".bash_history", HISTORY},			      /* passwords are typed there, too */
	{".zsh_history", HISTORY},			      /* the same */
	{".zhistory", HISTORY},				      /* the same */
	{".histfile", HISTORY},				      /* the same */
	{".sh_history", HISTORY},			      /* the same */
	{".history", HISTORY},				      /* the same */
	{".local/share/fish/fish_history", HISTORY},	      /* the same */
	{".python_history", HISTORY},			      /* and of other prompts */
	{".node_repl_history", HISTORY},		      /* the same */
	{".irb_history", HISTORY},			      /* the same */
	{".psql_history", HISTORY},			      /* the same */
	{".mysql_history", HISTORY},			      /* the same */
	{".sqlite_history", HISTORY},			      /* the same */
	{".rediscli_history", HISTORY},			      /* the same */
	{".lesshst", HISTORY},				      /* the same */
	{".viminfo", HISTORY},				      /* the same, with registers */
	{".local/share/recently-used.xbel", HISTORY},	      /* documents that were opened */
	{"id_rsa", OTHER},				      /* private keys elsewhere */
	{"id_dsa", OTHER},				      /* the same */
	{"id_ecdsa", OTHER},				      /* the same */
	{"id_ed25519", OTHER},				      /* the same */
	{"*.p12", OTHER},				      /* certificates with private keys */
	{"*.pfx", OTHER},				      /* the same */
	{"*.jks", OTHER},				      /* the same, Java */
	{"*.keystore", OTHER},				      /* the same, Android */
	{"*.keytab", OTHER},				      /* Kerberos */
	{"*.ovpn", OTHER},				      /* VPN configurations hold their keys */
	{"privkey*.pem", OTHER},			      /* TLS keys */
	{"private*.pem", OTHER},			      /* the same */
	{"*-key.pem", OTHER},				      /* the same */
	{".Xauthority", OTHER},				      /* who has it can type into every window */
	{".ICEauthority", OTHER},			      /* the same for sessions */
};

/* What a kind's rules are too wide for. */
static const struct isle_pattern harmless[] = {
	{".ssh/*.pub", 1},	      /* public keys */
	{".ssh/known_hosts", 1},      /* read by every connection */
	{".ssh/known_hosts.old", 1},  /* the same */
	{".ssh/known_hosts2", 1},     /* the same */
	{".ssh/config", 1},	      /* read by every connection */
	{".ssh/config.d/*", 1},	      /* the same */
	{".ssh/authorized_keys", 1},  /* public keys */
	{".ssh/authorized_keys2", 1}, /* public keys */
	{".env.example", 1},	      /* made to be published */
	{".env.sample", 1},	      /* the same */
	{".env.template", 1},	      /* the same */
	{".env.dist", 1},	      /* the same */
	{".env.defaults", 1},	      /* the same */
};

static const char *const names[] = {
	"ssh key",
	"gpg key",
	"cloud credential",
	"registry credential",
	"service credential",
	"password store",
	"browser data",
	"system secret",
	"project secret",
	"database credential",
	"wallet",
	"mail",
	"history",
	"key",
	"home of another user",
};

enum isle_secret isle_secret_of(const char *path)
{
	static uint16_t next[ARRAY_SIZE(rules)], harmless_next[ARRAY_SIZE(harmless)];
	static struct isle_patterns set = {.list = rules, .count = ARRAY_SIZE(rules), .next = next};
	static struct isle_patterns not = {.list = harmless, .count = ARRAY_SIZE(harmless), .next = harmless_next};

	if (*path != '/')
		return ISLE_SECRET_NONE;
	unsigned found = isle_patterns_value(&set, path, ISLE_FIT_ALL);
	if (found == 0 || isle_patterns_value(&not, path, ISLE_FIT_ALL) != 0)
		return ISLE_SECRET_NONE;
	return (enum isle_secret)(found & -found);
}

const char *isle_secret_name(enum isle_secret secret)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (secret == 1U << i)
			return names[i];
	return "";
}

/* The length of the home directory that the path lies in, 0 when in none. */
static size_t home_size(const char *path)
{
	const char *name, *end;

	if (strncmp(path, "/root/", 6) == 0)
		return 5;
	if (strncmp(path, "/home/", 6) != 0)
		return 0;
	name = path + 6;
	end = strchr(name, '/');
	return end != NULL && end > name ? (size_t)(end - path) : 0;
}

bool isle_secret_home(const char *path, const char *const *homes)
{
	size_t size = home_size(path);

	if (size == 0)
		return false;
	for (; *homes != NULL; homes++)
		if (isle_path_below(path, *homes) || (strncmp(*homes, path, size) == 0 && (*homes)[size] == '/'))
			return false;
	return true;
}
