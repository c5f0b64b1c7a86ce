# SPDX-License-Identifier: MIT
"""The graph of uses between the files of the product, and levels.txt.

A *unit* is a path without its suffix: a header and the .c of the same name
are one. An *edge* says that one unit uses another, and by what.
"""

import posixpath

import tree


def unit_of(path):
    return path.rsplit(".", 1)[0]


class Levels:
    """levels.txt: the number of a unit's line, counted from the bottom."""

    def __init__(self, root):
        self.level = {}
        self.doors = {}
        rows = []
        for first, *names in tree.table(root, "levels.txt"):
            if first == "door":
                self.doors.setdefault(names[0], set()).update(names[1:])
            else:
                rows.append([first, *names])
        for number, names in enumerate(reversed(rows), 1):
            self.level.update(dict.fromkeys(names, number))

    def place_of(self, unit):
        """The word of levels.txt that stands for the unit, or None."""
        for word in (unit, posixpath.dirname(unit)):
            if word in self.level:
                return word
        return None

    def objection(self, user, used):
        """Why one unit may not use another, or None."""
        upper, lower = self.place_of(user), self.place_of(used)
        if upper is None or lower is None or upper == lower:
            return None
        if self.level[upper] < self.level[lower]:
            return f"{upper} is below {lower}"
        if self.level[upper] == self.level[lower]:
            return f"{upper} is beside {lower}"
        return None


def reach(edges, start):
    """Every unit that is used from one, directly or by another."""
    seen, todo = set(), [start]
    while todo:
        for other in edges.get(todo.pop(), ()):
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen


def circles(edges):
    """The sets of units that all reach each other; edges is {unit: {unit}}."""
    reached = {unit: reach(edges, unit) for unit in edges}
    found = {tuple(sorted(other for other in reached[unit]
                          if unit in reached.get(other, ())))
             for unit in edges if unit in reached[unit]}
    return sorted(found)
