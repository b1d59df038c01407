# SPDX-License-Identifier: Apache-2.0
"""What the measures work on. Generated trees are the same each time: their content comes from a seeded generator."""
import os
import random
import shutil
import subprocess

WORDS = ("value", "list", "index", "return", "static", "struct", "buffer", "length", "offset", "result", "error", "path",
         "name", "open", "close", "read", "write", "size_t", "int", "char", "const", "if", "else", "while", "for")


def _lines(generator, size):
    out, length = [], 0
    while length < size:
        line = " ".join(generator.choices(WORDS, k=generator.randint(3, 12)))
        out.append(line)
        length += len(line) + 1
    return "\n".join(out) + "\n"


def make_files(directory, count, per_directory=20, largest=16000):
    """count text files, `per_directory` in each leaf directory, 100 leaves in each directory above."""
    generator = random.Random(7)
    bodies = [_lines(generator, int(generator.paretovariate(1.1) * 700) % largest + 40) for _ in range(200)]
    for number in range(count):
        leaf = number // per_directory
        path = os.path.join(directory, f"d{leaf // 100:02}", f"s{leaf % 100:02}")
        if number % per_directory == 0:
            os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, f"f{number:05}.c"), "w", encoding="ascii") as file:
            file.write(f"/* {number} */\n{bodies[number % len(bodies)]}")


def own(directory):
    """Gives a tree to whoever owns the directory that it is in."""
    owner = os.stat(os.path.dirname(directory))
    if os.geteuid() == 0 and owner.st_uid != 0:
        subprocess.run(["chown", "-R", f"{owner.st_uid}:{owner.st_gid}", directory], check=True)


def make_repository(place, count):
    """A git repository with everything committed, and a tar file of what is in it."""
    tree = place.path("tree")
    os.makedirs(tree)
    make_files(tree, count)
    own(tree)
    git = ["git", "-C", tree, "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    place.call(["git", "init", "-q", tree])
    place.call(git + ["add", "-A"])
    place.call(git + ["commit", "-q", "-m", "all"])
    place.call(git + ["status", "--short"])
    place.call(["tar", "-C", tree, "--exclude=.git", "-cf", place.path("tree.tar"), "."])
    return tree


def make_project(place, source):
    """isle's own source, set up to be built: a real project of many small C files."""
    project = place.path("project")
    shutil.copytree(source, project, symlinks=True, ignore=lambda path, names: [
        n for n in names if n == ".git" or (path == source and n.startswith("build"))])
    own(project)
    place.call(["meson", "setup", "-Dtests=disabled", "-Ddocs=disabled", os.path.join(project, "build"), project])
    return project


def fetch_package(place, package):
    """Downloads a Debian package, without its dependencies, to where it does not concern this machine."""
    directory = place.path("packages")
    os.makedirs(directory)
    subprocess.run(["apt-get", "download", "-q", package], cwd=directory, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return os.path.join(directory, os.listdir(directory)[0])


def make_dpkg_root(place, name):
    """A directory that dpkg installs to: this machine's package database and an empty tree."""
    root = place.path(name)
    os.makedirs(os.path.join(root, "var/lib"))
    shutil.copytree("/var/lib/dpkg", os.path.join(root, "var/lib/dpkg"))
    return root
