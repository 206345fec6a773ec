"""Words of everyday English that stand for each other in objectives: half as good as the same word."""

from __future__ import annotations

from functools import cache, lru_cache

from accord.planner.meaning import meanings
from accord.planner.words import stem

_GROUPS = """
picture image photo photograph photography snapshot illustration drawing visual
audio sound voice speech spoken recording speak
video film movie clip footage
text document article passage paragraph written
summary summarize summarise shorten condense brief abstract overview gist
translate translation translator language
transcribe transcription transcript recognition dictation
question answer answering ask respond reply
sentiment emotion mood opinion feeling tone
classify classification categorize category label sort
detect detection identify recognize recognise spot locate find
segment segmentation outline mask separate split
generate generation create creation make produce build synthesize synthesis compose craft
edit editing modify change alter adjust
colorize colour color colorization
caption describe description depict
convert conversion transform turn into
download fetch retrieve get obtain load pull collect
search query lookup find look browse seek
extract extraction pull mine scrape
upload publish post share
compare comparison contrast match similarity similar
correct correction fix grammar proofread spelling repair
rewrite paraphrase rephrase reword spin simplify
expand elaborate lengthen extend
analyze analyse analysis examine evaluate evaluation assess assessment investigate inspect study review
estimate calculate compute determine measure predict prediction forecast
check verify validate confirm test
buy purchase order acquire
book reserve schedule arrange appointment plan organize organise
sell sale market
send deliver mail transmit forward email
notify alert remind reminder inform tell warn
call phone dial ring telephone
pay payment transfer remit
cancel delete remove drop erase
update refresh renew revise
register enroll enrol join sign subscribe apply application
play listen hear stream
show display present visualize visualise view see plot chart graph
teach learn lesson course class tutor train training study
travel trip journey tour flight fly
hotel room accommodation lodging stay
car vehicle automobile rent hire rental taxi cab ride
weather temperature rain climate
news headline
job career position work employment
doctor physician medical health clinic hospital
fix repair maintenance maintain broken service
music song tune track melody
voiceover narrate narration read aloud
noise denoise noisy background clean
subtitle overlay add insert combine merge join mix splice stitch
speed fast slow tempo
effect reverb filter chorus echo
keyword topic key term tag
link url website web page site
table tabular spreadsheet csv
name entity noun token
depth distance
object item thing
person people user customer client
money cash fund bank account budget finance financial
price cost fee charge amount
insurance policy claim
lock secure security protect
print printing
meeting conference event
restaurant food meal dinner recipe dish cook
style artistic art
location place address site area region
design plan layout draft
improve improvement enhance optimize optimise optimization refine
increase raise boost
list catalogue inventory
report summary statement
start begin launch initiate open
stop end finish close terminate
""".strip().splitlines()


@cache
def _by_stem() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for line in _GROUPS:
        group = frozenset(map(stem, line.split()))
        for word in group:
            found[word] = found.get(word, frozenset()) | (group - {word})
    return found


def synonyms(word: str) -> frozenset[str]:
    """The stems that stand for a stem; none for most."""
    return _by_stem().get(word, frozenset())


@lru_cache(maxsize=65536)
def stand_ins(word: str) -> frozenset[str]:
    """The same, and those that mean nearly the same, where it is known what words mean."""
    known = meanings()
    return synonyms(word) | known.near(word) if known is not None else synonyms(word)
