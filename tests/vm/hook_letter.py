# SPDX-FileCopyrightText: The Lauberhorn authors
# SPDX-License-Identifier: Apache-2.0
"""The table of costs in the cover letter of the kernel series.

By hook, and not by the place where the compiler put it: what a hook does is the
function of the series that it calls.
"""

# What a reviewer sees of each hook, by the function that it calls.
HOOKS = {
    "nr": "number of runnable threads",
    "picked": "what runs",
    "resched": "asked to reschedule",
    "woken": "a thread is woken",
}
HEAD = ("  instructions                        no line,    word        word\n"
        "                                      not bound   unchanged   changed\n")
FORMAT = "  {:<36}{:<12}{:<12}{}"


def row(name, *cells):
    return FORMAT.format(name, *cells, *[""] * (3 - len(cells))).rstrip()


def most(seen, hook, kind):
    """What a hook usually needs, at the place where that is most; "" if it was not
    seen."""
    usual = seen.usual(kind, by=lambda site: (site.hook, site.address))
    return max((instructions for (name, _), (instructions, _) in usual.items()
                if name == hook), default="")


def table(seen, sites, off, figures):
    """The lines; `off` has (name, no-ops, other instructions) without a device."""
    lines = [HEAD.rstrip("\n")]
    for hook, name in HOOKS.items():
        tests = max((site.tests for site in sites if site.hook == hook), default="")
        lines.append(row(name, tests, most(seen, hook, "unchanged"),
                         most(seen, hook, "changed") or most(seen, hook, "endpoint")))
    for kind, name in (("wake", "all hooks of a wake-up"),
                       ("switch", "all hooks of a switch")):
        lines.append(row(name, *(seen.usual_pass(kind, worst)[1]
                                 for worst in ("tested", "unchanged"))))
    lines += [
        row("whether a CPU only waits", "", most(seen, "only_waits", "waiter")),
        row("a bound thread leaves to sleep", "", "", most(seen, "picked", "left")),
        row("a bound thread is interrupted", "", "", figures["hook_ipi_instructions"]),
        row("a CPU becomes idle", "", figures["idle_entry_instructions"])]
    lines += [row(f"without a device: {name}",
                  f"{nops} no-ops and {others} instructions")
              for name, nops, others in off]
    return "\n".join(lines) + "\n"


def replace(letter, table_text):
    """The letter with this table in place of that which it has."""
    before, head, rest = letter.partition(HEAD)
    if not head:
        raise ValueError("the cover letter has no table of costs")
    return before + table_text + rest[rest.index("\n\n") + 1:]
