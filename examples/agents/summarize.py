"""Sums a text up by its most telling sentences; says how sure it is."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated

from pydantic import BaseModel, Field

from accord.sdk import Agent, Context, Failure, Result

agent = Agent("summarizer", description="Sums texts up.", concurrency=4)


class Summary(BaseModel):
    """The sentences that say most, in the order of the text."""

    sentences: list[str]
    kept: Annotated[float, Field(ge=0, le=1, description="Share of the text's sentences.")]


@agent.capability("text.summarize@1.0.0", examples=[{"text": "Bees dance. Bees tell where flowers are."}])
async def summarize(
    text: str, sentences: Annotated[int, Field(ge=1, le=20)] = 3, *, context: Context
) -> Result[Summary]:
    """Keeps the sentences whose words the text uses most."""
    found = re.findall(r"[^.!?]+[.!?]?", text)
    if not text.strip():
        raise Failure("empty-text", "there is nothing to sum up")
    words = Counter(re.findall(r"\w{4,}", text.lower()))
    best = sorted(found, key=lambda each: -sum(words[word] for word in re.findall(r"\w{4,}", each.lower())))
    await context.progress(0.5, "sentences ranked")
    kept = [each.strip() for each in found if each in best[:sentences]]
    return Result(Summary(sentences=kept, kept=len(kept) / len(found)), confidence=0.8)
