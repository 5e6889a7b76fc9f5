"""What became of every edit that was answered "accepted": read from the histories of the
stores, from the conflicts that were told, and from the scene that was saved.

An edit is accounted for if one of these is true, and can be shown:

  shown        the saved scene has its value
  gathered     a later edit of the same person on the same field went into the same batch
  removed      somebody removed its entity or component, later or at the same time
  overwritten  an operation on the same field, whose author had seen it: in the author's own
               history it says that it dropped it (hidden by a concurrent one, or shown), or
               stands after it; or the author's version held it when it was asked, before the
               operation (a catch-up lists no operations)
  listed       it was told to people as a conflict, or stands in the list of conflicts
"""

import json


def text(value):
    return json.dumps(value, sort_keys=True)


def stamp_of(written):
    """"812@actor" as what stamps are ordered by."""
    time, _, actor = written.partition("@")
    return int(time), actor


def values_of(conflict):
    """The values that a conflict lists: as renderers are told, or as the verb prints it."""
    for part in (conflict, conflict.get("hidden")):
        for one in part if isinstance(part, list) else [part]:
            if isinstance(one, dict) and "value" in one:
                yield one["value"]


class Operation:
    def __init__(self, stamp, first, line):
        self.first = first  # of its batch
        self.stamp = stamp
        self.kind = line["kind"]
        self.entity = line["entity"]
        self.component = line.get("component")
        self.field = line.get("field")
        self.value = text(line["value"]) if "value" in line else None
        self.was = text(line["was"]) if "was" in line else None
        self.dropped = {stamp_of(d["stamp"]) for d in line.get("dropped", ())}

    def covers(self, entity, component, field):
        """Does it drop what its author had seen of this field?"""
        if self.entity != entity:
            return False
        if self.component is None or (self.component == component and self.field is None):
            return True
        return self.component == component and self.field == field


class Ledger:
    """`histories`: {actor: lines of `log --json`, newest first} of the replicas; `final`:
    {entity: {component: value}}; `listed`: conflicts, as they were told; `sightings`: {actor:
    versions of that replica, in the order in which they were asked for}."""

    def __init__(self, histories, final, listed, sightings=None):
        self.final = final
        self.sightings = sightings or {}
        self.place = {}     # (replica, author, first time) -> index in the replica's history
        self.by_entity = {}  # entity -> operations, of all authors
        self.batches = {}   # (author, first time) -> last time
        for replica, lines in histories.items():
            assert lines[-1] == {"event": "end", "complete": True}, (replica, lines[-1])
            for index, line in enumerate(reversed(lines[:-1])):
                if "first" not in line:
                    continue
                first, author = stamp_of(line["first"])
                self.place[replica, author, first] = index
                if author != replica:
                    continue
                self.batches[author, first] = stamp_of(line["last"])[0]
                for step, operation in enumerate(line.get("operations", ())):
                    found = Operation((first + step, author), first, operation)
                    self.by_entity.setdefault(found.entity, []).append(found)
        self.listed = {(c.get("entityId", c.get("entity")), c.get("component"), c.get("field"), text(value))
                       for c in listed for value in values_of(c)}

    def account(self, entity, component, field, value):
        """How an operation with this unique value ended; None: nobody can tell."""
        shown = self.final.get(entity, {}).get(component)
        if isinstance(shown, dict) and field in shown and text(shown[field]) == text(value):
            return "shown"
        if (entity, component, field, text(value)) in self.listed:
            return "listed"
        own = [o for o in self.by_entity.get(entity, ()) if o.kind == "set" and o.component == component
               and o.field == field and o.value == text(value)]
        for other in self.by_entity.get(entity, ()):
            if not other.covers(entity, component, field) or other in own:
                continue
            if other.kind == "remove":
                if any(other.stamp > mine.stamp or self.stands_before(mine.stamp[1], mine, other) or
                       self.stands_before(other.stamp[1], mine, other) for mine in own):
                    return "removed"
                continue
            if other.was == text(value) or any(mine.stamp in other.dropped for mine in own):
                return "overwritten"
            if any(self.stands_before(other.stamp[1], mine, other) or self.was_held(mine, other) for mine in own):
                return "overwritten"
        return None

    def story(self, entity, component, field):
        """All operations on this field or around it, in order, for a reader who looks for one that is lost."""
        found = [o for o in self.by_entity.get(entity, ()) if o.covers(entity, component, field)]
        return [f"{o.stamp[0]}@{o.stamp[1][:8]} {o.kind} {o.component}.{o.field} = {o.value} dropped {sorted(o.dropped)}"
                for o in sorted(found, key=lambda o: o.stamp)]

    def was_held(self, one, other):
        """Did the author of `other` hold `one` before it made it?"""
        time, actor = other.stamp
        return any(version.get(one.stamp[1], 0) >= one.stamp[0] for version in self.sightings.get(actor, ())
                   if version.get(actor, 0) < time)

    def stands_before(self, replica, one, other):
        """Does the history of this replica list the batch of `one` before that of `other`?"""
        first = self.place.get((replica, one.stamp[1], one.first))
        second = self.place.get((replica, other.stamp[1], other.first))
        return first is not None and second is not None and first < second
