# SPDX-License-Identifier: Apache-2.0
"""
The mount-layout matrix: one function for each row. A row lays out the machine and says in which directories and files the
operations take place. `uid` is who will run the program: 0 or that of the ordinary user (m.user, whose home is /home/tuser).

Row attributes, beyond the function: base ("image" or "real"), users, note.
"""

from machine import run

UGLY = "sp ace,comma:colon=equal\\back\nnew'quote\"double\ttab#hash%s*?[x]\u00e9\udcff"

ROWS = {}


class Layout:
    """What a row answers."""

    def __init__(self, sites, files=(), look=(), cwd="/", across=(), mountpoints=(), parents=(), home=None, environment=None,
                 aliases=(), read_only=()):
        self.sites = [{"path": path, "kind": "dir"} for path in sites] + [{"path": path, "kind": "file"} for path in files]
        if self.sites:
            self.sites[0]["parents"] = list(parents)
        self.look, self.cwd, self.across = list(look), cwd, list(across)
        self.mountpoints, self.home, self.environment = list(mountpoints), home, environment or {}
        # Trees that show the same file system a second time. An isle keeps one layer for each mount, so a write through one of
        # two bind mounts is not seen through the other before it is committed.
        self.aliases = list(aliases)
        self.read_only = list(read_only)  # remounted read-only once the sites are populated


def row(base="image", users=("root", "user")):
    def register(function):
        function.base, function.users = base, users
        ROWS[function.__name__.replace("_", "-")] = function
        return function
    return register


def home_of(uid):
    return "/root" if uid == 0 else "/home/tuser"


@row(base="real")
def plain(m, uid):
    """The machine as it is, no mount near."""
    return Layout([m.scratch + "/plain"], cwd=m.scratch, look=["/", "/var", "/etc"])


@row(base="real")
def current_directory_deep(m, uid):
    place = m.directory(m.scratch + "/a/b/c/d", uid)
    return Layout([place], cwd=place + "/plain")


@row(base="real")
def below_usr(m, uid):
    """/usr has a mount below it, so as a user /usr is a composite directory."""
    m.tmpfs("/usr/local/games", uid)
    return Layout(["/usr/local/games/site", m.scratch + "/plain"], look=["/usr", "/usr/local", "/usr/local/games", "/usr/bin"], cwd=m.scratch,
                  mountpoints=["/usr/local/games"])


@row(base="real")
def tmp_and_run(m, uid):
    m.tmpfs("/tmp", 0, 0o1777)
    return Layout(["/tmp/site"], look=["/tmp"], cwd="/tmp")


@row()
def one_root(m, uid):
    """A root of its own with only /usr, /dev, /proc and /sys as mounts."""
    m.directory("/data", uid)
    return Layout(["/data/site"], look=["/", "/data", "/usr", "/var", "/var/run/", "/bin/"], cwd="/data")


@row()
def separate_home_ext4(m, uid):
    m.image("/home", "ext4")
    m.directory("/home/tuser", m.user)
    return Layout([home_of(uid) + "/site", "/home/tuser/there"] if uid else ["/root/site", "/home/there"],
                  look=["/home", "/home/tuser"], cwd=home_of(uid), mountpoints=["/home"])


@row()
def separate_home_tmpfs(m, uid):
    m.tmpfs("/home")
    m.directory("/home/tuser", m.user)
    return Layout(["/home/tuser/site"], look=["/home"], cwd="/home/tuser", mountpoints=["/home"])


@row()
def home_xfs(m, uid):
    m.image("/home", "xfs")
    m.directory("/home/tuser", m.user)
    return Layout(["/home/tuser/site"], cwd="/home/tuser/site/plain")


@row()
def home_btrfs(m, uid):
    m.image("/home", "btrfs")
    m.directory("/home/tuser", m.user)
    return Layout(["/home/tuser/site"], cwd="/home/tuser/site/plain")


@row()
def btrfs_subvolume(m, uid):
    """A subvolume has a device number of its own without being a mount."""
    m.image("/data", "btrfs", uid)
    run("btrfs", "-q", "subvolume", "create", m.path("/data/sub"))
    return Layout(["/data/site", "/data/sub/site"], across=[("/data/site/read", "/data/sub/site/moved")], cwd="/data/sub")


@row()
def tmpfs_on_tmp_and_run(m, uid):
    m.tmpfs("/tmp", 0, 0o1777)
    m.tmpfs("/run")
    m.directory("/run/user/%d" % uid, uid, 0o700)
    return Layout(["/tmp/site", "/run/user/%d/site" % uid], look=["/tmp", "/run", "/var/run/", "/var/run/user"],
                  cwd="/var/run/user/%d" % uid, across=[("/tmp/site/read", "/run/user/%d/site/moved" % uid)],
                  mountpoints=["/tmp", "/run"])


@row()
def bind_mounts(m, uid):
    """The same directory at two places: a write through one has to be seen through the other natively."""
    m.directory("/data/one", uid)
    m.directory("/other", uid)
    m.bind("/other", "/data/one/bound")
    return Layout(["/data/one/site", "/data/one/bound/site"], look=["/data/one/bound"],
                  across=[("/data/one/site/read", "/data/one/bound/site/moved")], mountpoints=["/data/one/bound"], aliases=["/other"])


@row()
def bind_of_ancestor(m, uid):
    m.directory("/data/one", uid)
    m.bind("/data", "/data/one/again")
    return Layout(["/data/one/site"], look=["/data/one", "/data/one/again"], aliases=["/data/one/again"])


@row()
def mount_in_home(m, uid):
    """A mount deep in the home makes the home a composite directory in user mode."""
    home = home_of(uid)
    m.directory(home + "/work/deep", uid)
    m.tmpfs(home + "/work/deep/mnt", uid)
    m.directory(home + "/beside", uid)
    return Layout([home + "/work/deep/mnt/site", home + "/work/deep/site", home + "/beside/site"],
                  look=[home, home + "/work", home + "/work/deep", home + "/work/deep/mnt"], cwd=home + "/work/deep/mnt",
                  mountpoints=[home + "/work/deep/mnt"],
                  across=[(home + "/beside/site/read", home + "/work/deep/site/moved"),
                          (home + "/beside/site/keep", home + "/work/deep/mnt/site/moved")])


@row()
def composite_home(m, uid):
    """The operations directly in the home that holds a mount."""
    home = m.directory("/home/place", uid)
    m.tmpfs(home + "/mnt", uid)
    return Layout([home], look=[home], cwd=home, mountpoints=[home + "/mnt"])


@row()
def composite_root(m, uid):
    """The operations directly in /, which the user of this machine may write to."""
    m.chown("/", uid)
    m.directory("/data", uid)
    m.tmpfs("/data/mnt", uid)
    return Layout(["/"], look=["/"], cwd="/", mountpoints=["/data/mnt"])


@row()
def single_file(m, uid):
    """A mount over a single file, as container engines do it for /etc/resolv.conf."""
    m.directory("/source", uid)
    m.file("/source/resolv.conf", uid)
    m.file("/source/data", uid)
    m.directory("/data", uid)
    m.bind("/source/resolv.conf", "/etc/resolv.conf")
    m.bind("/source/data", "/data/file")
    return Layout(["/data/site"], files=["/etc/resolv.conf", "/data/file"], look=["/data", "/source"],
                  mountpoints=["/data/file"], aliases=["/source"])


@row()
def single_file_in_home(m, uid):
    home = home_of(uid)
    m.directory("/source", uid)
    m.file("/source/config", uid)
    m.directory(home + "/.config/app", uid)
    m.bind("/source/config", home + "/.config/app/config")
    return Layout([home + "/.config/site", home + "/.config/app/site"], files=[home + "/.config/app/config"],
                  look=[home, home + "/.config/app"], cwd=home + "/.config/app", aliases=["/source"])


@row()
def read_only_mount(m, uid):
    m.image("/data", "ext4", uid)
    return Layout(["/data/site"], look=["/data"], read_only=["/data"])


@row()
def read_only_bind(m, uid):
    m.directory("/data", uid)
    m.directory("/data/keep", uid)
    m.bind("/data/keep", "/data/keep", "ro")
    return Layout(["/data/site"], look=["/data/keep"], mountpoints=["/data/keep"])


@row()
def fuse(m, uid):
    m.directory("/data", uid)
    m.fuse("/data/fuse", uid)
    return Layout(["/data/site", "/data/fuse/site"], look=["/data/fuse"], cwd="/data/fuse")


@row(users=("root",))
def fuse_private(m, uid):
    """A FUSE mount of an ordinary user: even root may not look into it."""
    m.directory("/data", uid)
    m.private_fuse("/home/tuser/secret")
    return Layout(["/data/site"], look=["/data", "/home/tuser/secret"])


@row(users=("user",))
def fuse_own_private(m, uid):
    m.private_fuse("/home/tuser/secret")
    m.directory("/home/tuser/beside", uid)
    return Layout(["/home/tuser/beside/site"], look=["/home/tuser", "/home/tuser/secret"], cwd="/home/tuser")


@row()
def fuse_dead(m, uid):
    """The server of a FUSE mount is dead: every look at it is an error."""
    m.directory("/data", uid)
    m.dead_fuse("/data/dead")
    return Layout(["/data/site"], look=["/data"])


@row()
def unreadable_mount(m, uid):
    m.directory("/data", uid)
    m.tmpfs("/data/locked", 0, 0o700)
    m.directory("/data/locked/inside", 0)
    m.tmpfs("/data/locked/inside/deeper", 0, 0o700)
    return Layout(["/data/site"], look=["/data", "/data/locked"])


@row()
def unreadable_parent(m, uid):
    """The mount is open to all, the way to it is not."""
    m.directory("/closed", 0, 0o700)
    m.tmpfs("/closed/open", uid, 0o777)
    m.directory("/data", uid)
    return Layout(["/data/site"], look=["/", "/closed", "/closed/open"])


@row()
def ugly_names(m, uid):
    """Everything that a mount table, an overlay option or a shell could stumble over."""
    place = m.directory("/data/" + UGLY, uid)
    m.tmpfs(place + "/mnt " + UGLY, uid)
    return Layout([place + "/site", place + "/mnt " + UGLY + "/site"], look=["/data", place], cwd=place + "/mnt " + UGLY)


@row()
def ugly_names_in_home(m, uid):
    home = home_of(uid)
    m.tmpfs(home + "/a,b:c\\d e\nf/mnt", uid)
    m.chown(home + "/a,b:c\\d e\nf", uid)
    return Layout([home + "/a,b:c\\d e\nf/site", home + "/a,b:c\\d e\nf/mnt/site"], cwd=home + "/a,b:c\\d e\nf/mnt")


@row()
def ugly_top_level(m, uid):
    m.directory("/to,p:le\\vel x", uid)
    m.directory("/nl\nnl", uid)
    return Layout(["/to,p:le\\vel x/site", "/nl\nnl/site"], look=["/"], cwd="/nl\nnl")


@row()
def symlinked_top_level(m, uid):
    m.directory("/srv/real", uid)
    m.symlink("srv/real", "/data")
    m.symlink("/srv", "/absolute")
    return Layout(["/data/site", "/absolute/real/site2"], look=["/", "/data/", "/absolute/"], cwd="/data")


@row()
def symlinked_home(m, uid):
    m.image("/big", "ext4")
    m.directory("/big/homes/tuser", m.user)
    m.replace_by_symlink("/home", "big/homes")
    return Layout(["/home/tuser/site"], look=["/home/", "/"], cwd="/home/tuser", home="/home/tuser")


@row()
def var_run(m, uid):
    m.tmpfs("/run")
    m.directory("/run/app", uid)
    return Layout(["/var/run/app/site"], look=["/var", "/var/run/"], cwd="/var/run/app")


@row()
def other_file_system(m, uid):
    """The home, and with it the store, on another file system than what is changed."""
    m.image("/home", "xfs")
    m.directory("/home/tuser", m.user)
    m.image("/data", "ext4", uid)
    return Layout(["/data/site", "/home/tuser/site"], cwd="/data", across=[("/data/site/read", "/home/tuser/site/moved")])


@row()
def nested_mounts(m, uid):
    m.tmpfs("/data", uid)
    m.directory("/data/a", uid)
    m.image("/data/a/b", "ext4", uid)
    m.directory("/data/a/b/c", uid)
    m.tmpfs("/data/a/b/c/d", uid)
    return Layout(["/data/site", "/data/a/site", "/data/a/b/site", "/data/a/b/c/site", "/data/a/b/c/d/site"],
                  cwd="/data/a/b/c/d", look=["/data", "/data/a", "/data/a/b"])


@row()
def mount_over_mount(m, uid):
    """Two mounts at one place: the lower one is nobody's business."""
    m.tmpfs("/data", uid)
    m.directory("/data/hidden", uid)
    m.tmpfs("/data", uid)
    return Layout(["/data/site"], look=["/data"], cwd="/data")


@row()
def mount_hidden_below(m, uid):
    """A mount inside a directory that another mount covers: listed in the mount table, not reachable."""
    m.directory("/data/x", uid)
    m.tmpfs("/data/x", uid)
    m.tmpfs("/data", uid)
    m.directory("/data/x", uid)
    return Layout(["/data/site", "/data/x/site"], look=["/data", "/data/x"])


@row()
def chroot_elsewhere(m, uid):
    """proc and sysfs mounted in a chroot: they must not be a way around the masks."""
    m.directory("/srv/chroot/etc", uid)
    m.directory("/srv/chroot/proc")
    m.directory("/srv/chroot/sys")
    run("mount", "-t", "proc", "proc", m.path("/srv/chroot/proc"))
    run("mount", "-t", "sysfs", "sysfs", m.path("/srv/chroot/sys"))
    m.hidden = ["/srv/chroot/proc", "/srv/chroot/sys"]
    return Layout(["/srv/chroot/etc/site"], look=["/srv/chroot", "/srv"], cwd="/srv/chroot/etc")


@row()
def noexec_nodev_nosuid(m, uid):
    m.tmpfs("/data", uid, options="size=64m,noexec,nodev,nosuid")
    return Layout(["/data/site"], look=["/data"])


@row()
def overlay_below(m, uid):
    """A directory that is an overlay itself, as in a container."""
    m.overlay("/data", uid)
    return Layout(["/data/site"], look=["/data"], cwd="/data")


@row()
def squashfs(m, uid):
    m.squashfs("/data/image", {"one": b"1\n", "two/three": b"3\n"})
    m.chown("/data", uid)
    return Layout(["/data/site"], look=["/data/image", "/data/image/two"])


@row()
def store_on_tmpfs_home(m, uid):
    """The default place of the store is in memory: another place is taken, and said."""
    m.tmpfs("/var/lib" if uid == 0 else "/home/tuser", uid)
    m.directory("/data", uid)
    return Layout(["/data/site"], look=["/data"], cwd="/data")


@row()
def store_on_overlay_home(m, uid):
    m.overlay("/var/lib" if uid == 0 else "/home/tuser", uid)
    m.directory("/data", uid)
    return Layout(["/data/site"], look=["/data"], cwd="/data")


@row()
def many_mounts(m, uid):
    for number in range(40):
        m.tmpfs("/data/m%d" % number, uid)
    m.chown("/data", uid)
    return Layout(["/data/site", "/data/m17/site", "/data/m39/site"], look=["/data"])
