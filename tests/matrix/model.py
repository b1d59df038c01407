# SPDX-License-Identifier: Apache-2.0
"""
The model: what has to come out when isle and host have each done a deed (deeds.py), the host's later than the isle's.

  COMMITS   the host is afterwards as if both had been done there, the isle's deed last
  CONFLICT  a commit is refused and changes nothing
  EITHER    the criteria allow both, or a layer cannot tell who did it; what is committed has to be right all the same

What is compared is what the isle changed, with what it was when the isle changed it (`--criteria=write`). What the isle read is passed as
`reads` and compared in the same way: nothing of it may have changed.
"""
COMMITS, EITHER, CONFLICT = 0, 1, 2
WORDS = ("commits", "either", "conflict")

REPLACED = ("gone", "swap", "type")


def parent(name):
    return name.rpartition("/")[0] or "."


def below(name, tree):
    return tree == "." or name.startswith(tree + "/")


def _under_what_is_gone(name, host, host_name):
    """The directory that the isle's object is in is another one by now."""
    if not below(name, host_name):
        return COMMITS
    if host == "swap":
        return EITHER
    return CONFLICT if host in REPLACED else COMMITS


def _data(name, host, host_name):
    return CONFLICT if name == host_name else COMMITS


def _away(name, host, host_name):
    return _data(name, host, host_name)


def _over(name, host, host_name):
    """A blind overwrite: no conflict by the criteria, but worth a word. A directory is never overwritten blindly."""
    if name != host_name:
        return COMMITS
    return CONFLICT if host == "type" else EITHER


def _make(name, host, host_name):
    if name == host_name and host == "make":
        return CONFLICT
    return COMMITS


def _tree(name, host, host_name):
    if name != host_name and not below(host_name, name):
        return COMMITS
    # What the isle wants to be gone is; what else it means that names changed the host's other marks say.
    if host in ("inside", "within") or (host == "gone" and host_name != name):
        return EITHER
    return CONFLICT


def _clear(name, host, host_name):
    return EITHER if name == host_name and host == "gone" else _tree(name, host, host_name)


def _move(name, host, host_name):
    if name != host_name:
        return COMMITS
    if host in REPLACED:
        return CONFLICT
    return EITHER if host in ("change", "inside") else COMMITS


def _entry(name, host, host_name):
    if name != host_name:
        return COMMITS
    if host in ("swap", "change"):
        return EITHER
    return CONFLICT if host in ("gone", "type") else COMMITS


def _meta(name, host, host_name):
    return CONFLICT if name == host_name and host in REPLACED else EITHER if name == host_name and host != "within" else COMMITS


def _link(name, host, host_name):
    if name != host_name:
        return COMMITS
    return CONFLICT if host in REPLACED else EITHER


RULES = {"data": _data, "away": _away, "over": _over, "make": _make, "tree": _tree, "clear": _clear, "move": _move, "entry": _entry, "meta": _meta, "link": _link,
         "none": lambda name, host, host_name: COMMITS}


def _root(kind, aspect, name, host_aspect, host_name):
    """What a layer of root's tells."""
    worst = RULES[aspect](name, host_aspect, host_name)
    # A directory on the way is in the layer, too, with the rights that it had: whether the isle or the host gave it others cannot
    # be told. Nor can it be told that an isle took something away again.
    if host_aspect == "change" and (below(name, host_name) or aspect == "none"):
        return max(worst, EITHER)
    if aspect == "none":
        return EITHER if host_aspect in REPLACED else COMMITS
    # No layer tells where something came from that is no plain file.
    if aspect == "away" and host_aspect == "gone" and kind in ("symlink", "fifo", "socket"):
        return EITHER
    return max(worst, _under_what_is_gone(name, host_aspect, host_name))


def _user(kind, aspect, name, host_aspect, host_name):
    """An ordinary user's isle copies a directory to rename it and removes the old one; its layer does not tell what a file was
    before it got its name, nor a directory that was made from one that was there."""
    if aspect == "move":
        aspect = "tree"
    # No attribute can be set on these by a user, so the layer does not tell that they are copies of the host's.
    if kind in ("symlink", "fifo", "socket") and aspect == "data" and host_aspect == "gone" and host_name == name:
        return EITHER
    if aspect in ("away", "tree") and host_aspect == "gone" and (host_name == name or below(name, host_name)):
        return EITHER
    if aspect == "make" and host_name in (name, parent(name)) and host_aspect == "inside":
        return EITHER
    # Only files and directories can carry a user's note of where they came from.
    if kind in ("symlink", "fifo", "socket") and host_aspect == "gone" and (host_name == name or below(name, host_name)):
        return EITHER
    return _root(kind, aspect, name, host_aspect, host_name)


def verdict(kind, isle, host, user, reads=()):
    """Of two deeds."""
    if (isle.name, host.name) in AGREED or (user and host.name == "make-directory"):
        return EITHER
    rule = _user if user else _root
    copied = [mark[5:] for mark in isle.does if mark.startswith("move:") and user]
    did = [mark.partition(":")[::2] for mark in list(isle.does) + ["data:" + name for name in reads]
           if not any(below(mark.partition(":")[2], tree) for tree in copied)]
    theirs = [mark.partition(":")[::2] for mark in host.does]
    return max((rule(kind, *mine, *other) for mine in did for other in theirs), default=COMMITS)


# Both want the name to be gone, and it is.
AGREED = {("delete", "delete"), ("delete", "rename"), ("remove-tree", "remove-directory"), ("remove-tree", "rename-directory")}


def can_tell(kind, isle, host, user):
    """In an ordinary user's isle a file with several names is several files: only writing to it has one meaning."""
    if not user or (kind != "linked" and "link" not in host.name):
        return True
    return kind == "linked" and isle.does == ["data:x"] and not any(mark.startswith(REPLACED) for mark in host.does) and \
        "other-name" not in isle.name
