"""Composition: graphs that no template has, made of what agents offer; `planner/by_composition.py` is the way to them.

What there is to use:
  `catalogue` what agents offer; `ability` what is known of one of them, `lists` of what is in its lists; `index` which
  of them have the words of a text, `meant` which mean it

Words:
  `wording` stems, and how like each other they are; `synonyms`; `verbs`; `polite`; `alike` why words fit; `weights` all
  numbers that evidence is weighed with

What is wanted, and what feeds what (`composer` does it all):
  `clauses` the parts of an objective; `choice` which abilities it wants, `preference` which of two that do the same;
  `evidence` and `said` what speaks for an edge, `linking` which edges are taken; `reach` what comes after what
  with examples: `examples`, `teaching`, `school` learns beside what goes on; `learned`, `learned_choice`,
  `learned_links`

What the words say beyond that:
  values: `literals` what is written as one, `hedges` around a number, what is `counted` by
  one, `values`, `bare` without quotation marks,
  `topics`, `rivals` side by side
  conditions: `condition_words` where they are said, `conditions` what decides them, `adjectives` of items,
    `exclusive` what is never done in the same run
  order: `sequence`

What becomes of it:
  `drafting` the document, `results` its output; `account` which words are used
  `questions` what is to be said yet; `refusals` why nothing is planned, check by check; `doubts` how sure it is

What the checks find:
  not done at all: `negations`, `acts`, `unsaid`, `asked`, `thing`; to something else: `objects`, `misnamed`
  for some only, or several: `restrictions`, `several`; otherwise than said: `exclusions`, `unheard`
  something else as well: `equals`

Beside all that: `dataflow`, which task feeds which by the names of files, for `bench.sets workflows`.
"""
