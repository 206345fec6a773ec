"""Topics: what is said after `about`, `on`, `regarding`, `search for` without quotation marks is what it is about."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from accord.domain.schema import compile_schema
from accord.planner.composition.ability import ANY, Member
from accord.planner.composition.evidence import Reading
from accord.planner.composition.wording import content, stems

_ABOUT = re.compile(
    r"\b(?:about|on|regarding|concerning|(?:search|look|looking|searching)\b[^,;.!?]*?\bfor)\s+(?P<topic>[^,;.!?\"\u201c]+)",
    re.IGNORECASE,
)
_ENDS = re.compile(
    r"\s+(?:by|with|from|to|into|via|using|before|after|until|within|if|unless|when|only|for (?:each|every)"
    r"|today|tomorrow|tonight|now|please|twice)\b.*$",
    re.IGNORECASE,
)
_NAMES: Final = frozenset(stems("topic subject query keyword theme term search phrase interest field"))
"""What a member is called that takes a topic."""

_POINTS = re.compile(r"^(?:it|them|this|that|these|those|the same|each|every|all)\b", re.IGNORECASE)


def topic_said(reading: Reading, index: int, member: Member, used: Collection[str]) -> str | None:
    """What the words of an ability say that it is about, without what is `used` elsewhere; None where this member takes
    no topic, or none is said. What only names what is done, or points at something else, is none.
    """
    if member.kind not in ("string", ANY) or member.is_time or _NAMES.isdisjoint(member.words):
        return None
    found = _ABOUT.search(reading.segments[index])
    if found is None:
        return None
    topic = _ENDS.sub("", found["topic"])
    for words in used:
        topic = re.sub(rf"\s+(?:\w+\s+)?{re.escape(words)}\b.*$", "", topic)
    topic = topic.strip()
    known = frozenset(word for one in reading.abilities for word in one.described | one.input_words | one.output_words)
    if _POINTS.match(topic) or known.issuperset(content(topic)):
        return None
    return topic if compile_schema(member.schema).is_valid(topic) else None
