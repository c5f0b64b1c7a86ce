# SPDX-License-Identifier: MIT
"""Who uses whom among the files of the product, and what levels.txt allows.

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
        self.debts = set()
        self.allows_circles = False
        rows = []
        for first, *names in tree.table(root, "levels.txt"):
            if first == "door":
                self.doors.setdefault(names[0], set()).update(names[1:])
            elif first == "debt" and names == ["circles"]:
                self.allows_circles = True
            elif first == "debt":
                self.debts.add(tuple(names))
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
        ours, theirs = self.place_of(user), self.place_of(used)
        if ours is None or theirs is None or ours == theirs:
            return None
        if (user, used) in self.debts:
            return None
        if self.level[ours] < self.level[theirs]:
            return f"{ours} is below {theirs}"
        if self.level[ours] == self.level[theirs]:
            return f"{ours} is beside {theirs}"
        return None


def circles(edges):
    """The sets of units that reach each other; edges is {unit: {unit}}.

    Tarjan's strongly connected components, without recursion.
    """
    index, low, stack, found = {}, {}, [], []
    for root in sorted(edges):
        if root in index:
            continue
        index[root] = low[root] = len(index)
        stack.append(root)
        work = [(root, iter(sorted(edges.get(root, ()))))]
        while work:
            unit, rest = work[-1]
            for other in rest:
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    work.append((other,
                                 iter(sorted(edges.get(other, ())))))
                    break
                if other in stack:
                    low[unit] = min(low[unit], index[other])
            else:
                work.pop()
                if work:
                    above = work[-1][0]
                    low[above] = min(low[above], low[unit])
                if low[unit] == index[unit]:
                    at = stack.index(unit)
                    members, stack[at:] = stack[at:], []
                    if len(members) > 1:
                        found.append(sorted(members))
    return sorted(found)
