# SPDX-License-Identifier: Apache-2.0
"""Commands of words, each of which reaches its program as it is, whatever characters a folder's name has.

SCons splits command strings at spaces and expands every `$`. Here a command is a list: a Word is literal text, a
plain string is SCons's ("$SOURCE", "$HOST_CXX", "$(", ">"). Files are nodes, or paths that are taken literally, too.
"""

import shlex
from collections.abc import Iterable
from functools import partial

from SCons.Script import Action
from SCons.Subst import Literal


class Word(Literal):
    """One word of a command, not to be split, expanded or left unquoted."""

    def __init__(self, text):
        super().__init__(str(text))


def words(*texts):
    return [Word(text) for text in texts]


def generate(env):
    """Give `env` the methods below."""
    env["ESCAPE"] = shlex.quote
    for method in (Run, Saying, Nodes):
        env.AddMethod(method)


def Run(env, stage, subject, targets, sources, *commands, **options):
    """A builder call: what SCons's Command does, with `commands` as lists of words, announced as `stage  subject`."""
    literals = {}

    def expandable(word):
        # In a variable a literal is safe from SCons's signatures, too, which expand a command's text.
        if not isinstance(word, Word):
            return word
        name = f"WORD_{len(literals)}"
        literals[name] = word
        return f"${name}"

    actions = [
        Action([[expandable(word) for word in command]], **env.Saying(stage, subject)) for command in commands
    ]
    spawn = partial(env["SPAWN"], subject=f"{stage:9} {subject}")
    return env.Command(env.Nodes(targets), env.Nodes(sources), actions, SPAWN=spawn, **literals, **options)


def Saying(env, stage, subject):
    """What a command prints of itself: `stage  subject`, or the command with VERBOSE=1."""
    return {} if env["VERBOSE"] == "1" else {"cmdstr": f"{stage:9} {subject}".replace("$", "$$")}


def Nodes(env, paths):
    """Nodes and paths, nested as they may be, as a flat list of nodes."""
    if isinstance(paths, str):
        return [env.fs.File(paths)]
    if not isinstance(paths, Iterable):
        return [paths]
    return [node for path in paths for node in env.Nodes(path)]
