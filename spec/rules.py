#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""The numbered rules of spec/CONTRACT.md and spec/contract/*.md.

  spec/rules.py --list     one line for each rule, separated by tabs:
                           id, party, strength, proof kind, place, proofs
  spec/rules.py --check    says what is wrong with the rules; exit 1 if anything is

A rule is a paragraph:

  **SLOT-3** The NIC MUST do one thing. *Proved by* `model/MUTANT`, `test/Case`.
  **SLOT-4** The NIC MUST do another. *Fails without:* `model/MUTANT`.

Party: who is bound. Strength: the word of RFC 2119. Proof kind: kit, if a test of
a device from outside can see it (tests/conformance/ has the tests), even if the
models have the run that fails without it; model, if the models prove it; test, if
other tests do. Each mutant of the models is named by a rule. Proofs are `a/b` or
`a`, where a is

  * a model, spec/model/a.pml, and b one of its mutants, properties or witnesses; or
  * a test, a.cc or a script a, and b a name or text that stands in it.
"""

import argparse
import functools
import importlib
import pathlib
import re
import signal
import subprocess
import sys
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent
SPEC = ROOT / "spec"

PARTIES = ("NIC", "host", "kernel", "client", "server", "peer")
STRENGTHS = ("MUST NOT", "MUST", "SHOULD NOT", "SHOULD", "MAY")
WORDS = re.compile(r"\b(MUST|SHOULD|MAY|SHALL|REQUIRED|OPTIONAL|RECOMMENDED)\b")
RULE = re.compile(r"^\*\*([A-Z]+)-([0-9]+)\*\* ")
BEGIN = re.compile(rf"The ({'|'.join(PARTIES)}) ({'|'.join(STRENGTHS)})[ ,]")
PROOF = re.compile(r" \*(Proved by|Fails without:)\* (`[^`]+`(?:, `[^`]+`)*)\.$")


@dataclass(frozen=True)
class Rule:
    id: str
    party: str
    strength: str
    text: str
    proofs: tuple
    runs: tuple  # of the models, that fail without it
    place: str  # file:line

    @property
    def theme(self):
        return self.id.rpartition("-")[0]

    @property
    def number(self):
        return int(self.id.rpartition("-")[2])

    @property
    def kind(self):
        if not self.proofs:
            return "kit"
        return "model" if all(is_model(p) for p in self.proofs) else "test"


def files():
    return [SPEC / "CONTRACT.md", *sorted((SPEC / "contract").glob("*.md"))]


def paragraphs(text):
    """(line number, paragraph) of what is neither code nor generated."""
    text = re.sub(r"<!-- generated: (.*?) -->.*?<!-- end of \1 -->|^```.*?^```",
                  lambda found: "\n" * found.group(0).count("\n"), text,
                  flags=re.S | re.M)
    line = 1
    for part in re.split(r"(\n[ \t]*\n)", text):
        stripped = part.lstrip("\n")
        yield line + part.index(stripped), " ".join(stripped.split())
        line += part.count("\n")


def parse(file, content):
    """The rules of one file, and what is wrong with them."""
    rules, findings = [], []
    for line, text in paragraphs(content):
        place = f"{file}:{line}"
        found = RULE.match(text)
        bare = re.sub(r"`[^`]*`", "", text)
        if not found:
            if WORDS.search(bare):
                findings.append(f"{place}: '{WORDS.search(bare).group(0)}' outside "
                                "of a numbered rule; make it one, or use other words")
            continue
        name = "-".join(found.groups())
        begin = BEGIN.match(text, found.end())
        if not begin:
            findings.append(f"{place}: {name} does not begin 'The <party> <MUST>'")
            continue
        if len(WORDS.findall(bare)) != 1:
            findings.append(f"{place}: {name} says more than one thing: it has "
                            f"{WORDS.findall(bare)}")
        proof = PROOF.search(text)
        if not proof and re.search(r"\*(Proved|Fails)\b", text):
            findings.append(f"{place}: {name}: a proof is the end of its rule, "
                            "'*Proved by* `a/b`, `c`.' or '*Fails without:* `a/b`.'")
        named = tuple(re.findall(r"`([^`]+)`", proof.group(2))) if proof else ()
        proved = bool(proof) and proof.group(1) == "Proved by"
        end = proof.start() if proof else len(text)
        rules.append(Rule(name, *begin.groups(), text[found.end():end],
                          named if proved else (), () if proved else named, place))
    return rules, findings


def read(path):
    return parse(path.relative_to(ROOT), path.read_text())


def rules():
    """All rules, in the order in which they stand."""
    return [rule for path in files() for rule in read(path)[0]]


# Proofs.


@functools.lru_cache(None)
def tree():
    """{name without suffix: paths} of what may be a test."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found = {}
    for name in filter(None, listed.split("\0")):
        path = pathlib.PurePosixPath(name)
        if path.suffix in (".cc", ".py", "") and (ROOT / path).is_file():
            found.setdefault(path.stem, []).append(path)
    return found


@functools.lru_cache(None)
def cases():
    """What the models are checked for: spec/model/cases.py."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(SPEC / "model"))
    return importlib.import_module("cases")


@functools.lru_cache(None)
def of_models():
    """(model, mutant, property or witness) of all models."""
    return {*((model, mutant) for mutant, model, _, _ in cases().MUTANTS),
            *((witness[2], name) for witness in cases().WITNESSES for name in witness[:2]),
            *((model, "EDGE_LEAVES_ITS_STATES") for _, model, _ in cases().EDGES)}


def is_model(proof):
    return (SPEC / "model" / f"{proof.partition('/')[0]}.pml").exists()


def missing(proof):
    """What a proof names and is not there; empty if all is."""
    name, _, what = proof.partition("/")
    if is_model(proof):
        if what and (name, what) not in of_models():
            return f"spec/model/cases.py has no mutant, property or witness {what} of {name}"
        return ""
    paths = tree().get(name, [])
    if len(paths) != 1:
        return f"{len(paths)} files of the tree are the model or test {name}"
    if what and what not in (ROOT / paths[0]).read_text():
        return f"{paths[0]} has no '{what}'"
    return ""


def unnamed_mutants(found):
    """The mutants of the models, as `model/MUTANT`, that no rule names."""
    named = {each for rule in found for each in rule.proofs + rule.runs}
    return sorted({f"{model}/{mutant}" for mutant, model, _, _ in cases().MUTANTS} - named)


def check(found):
    """What is wrong with the rules beside how each is written."""
    findings, seen = [], {}
    for rule in found:
        if rule.id in seen:
            findings.append(f"{rule.place}: {rule.id} is at {seen[rule.id]}, too")
        seen[rule.id] = rule.place
        if not rule.proofs and rule.party in ("host", "kernel"):
            findings.append(f"{rule.place}: {rule.id} is about the {rule.party}, "
                            "which no test of a device sees: name what proves it")
        for proof in rule.proofs + rule.runs:
            wrong = missing(proof)
            if wrong:
                findings.append(f"{rule.place}: {rule.id}: `{proof}`: {wrong}")
        for run in rule.runs:
            if not is_model(run):
                findings.append(f"{rule.place}: {rule.id}: `{run}` is no model's run")
    for theme in sorted({rule.theme for rule in found}):
        numbers = {rule.number for rule in found if rule.theme == theme}
        for number in set(range(1, max(numbers) + 1)) - numbers:
            findings.append(f"spec/CONTRACT.md: {theme}-{number} is missing: a rule "
                            "keeps its number for ever")
    return findings


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--list", action="store_true", help="print the rules")
    what.add_argument("--check", action="store_true", help="check them")
    if parser.parse_args().list:
        # Who reads may stop early, as head does.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        for rule in rules():
            print(rule.id, rule.party, rule.strength, rule.kind, rule.place,
                  " ".join(rule.proofs), sep="\t")
        return 0
    found, findings = [], []
    for path in files():
        of_file, wrong = read(path)
        found += of_file
        findings += wrong
    findings += check(found)
    findings += [f"spec/model/cases.py: no rule of the contract names {run}; it is the "
                 "run that fails without one" for run in unnamed_mutants(found)]
    for finding in findings:
        print(finding)
    print(f"{len(found)} rules, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
