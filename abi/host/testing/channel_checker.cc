/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// The checks of channel_checker.h. Runs in the interleaver's one thread.

#include "channel_checker.h"

#include <algorithm>
#include <utility>

namespace lauberhorn::testing {
namespace {

struct Edge {
  int number;
  const char* name;
  int lane;
  int by;
  unsigned from;
  unsigned to;
  unsigned step;
};

#define LAUBERHORN_EDGE(number, name, lane, by, from, to, step) \
  Edge{number, #name, lane, by, from, to, step},
constexpr Edge kEdges[] = {LH_EDGE_TABLE(LAUBERHORN_EDGE)};
#undef LAUBERHORN_EDGE

std::string Name(Word word) {
  static constexpr const char* kNames[] = LH_STATE_NAMES;
  const unsigned state = lh_state(word);
  return std::string(state < LH_STATES ? kNames[state] : "invalid") + "(" +
         std::to_string(lh_tag(word)) + ")";
}

const char* PartyName(int fiber) {
  return fiber == kNicFiber ? "the NIC" : "the host";
}

}  // namespace

void ChannelChecker::ResetChecks() {
  lanes_.clear();
  for (auto& changes : announced_) changes.clear();
  for (auto& changes : performed_) changes.clear();
}

int ChannelChecker::AddLane(Interleaver& run, std::string name, int direction,
                            const lh_line* lines, const Word* overflow,
                            int overflow_words, int slots) {
  for (int i = 0; i < slots; ++i) {
    const std::string slot = name + "[" + std::to_string(i) + "]";
    run.Name(&lines[i].header.word, slot);
    run.Name(&lines[i].header.call, slot + ".call");
    run.Name(overflow + i * overflow_words, slot + ".overflow");
  }
  lanes_.push_back(Lane{std::move(name),
                        direction,
                        lines,
                        overflow,
                        overflow_words,
                        slots,
                        0,
                        std::vector<Word>(static_cast<size_t>(slots)),
                        {}});
  return static_cast<int>(lanes_.size()) - 1;
}

const ChannelChecker::Lane* ChannelChecker::Find(const Word* address,
                                                 int* slot) const {
  for (const Lane& lane : lanes_) {
    const auto* line = reinterpret_cast<const lh_line*>(address);
    if (line >= lane.lines && line < lane.lines + lane.slots) {
      *slot = static_cast<int>((reinterpret_cast<const char*>(address) -
                                reinterpret_cast<const char*>(lane.lines)) /
                               static_cast<std::ptrdiff_t>(sizeof(lh_line)));
      return &lane;
    }
    const Word* end = lane.overflow + lane.slots * lane.overflow_words;
    if (address >= lane.overflow && address < end) {
      *slot = static_cast<int>(address - lane.overflow) / lane.overflow_words;
      return &lane;
    }
  }
  return nullptr;
}

void ChannelChecker::OnEdge(Interleaver& run, int fiber, int edge,
                            const Word* address, Word old, Word value) {
  int slot = 0;
  const Lane* lane = Find(address, &slot);
  if (!lane || address != &lane->lines[slot].header.word) {
    run.Fail("an edge is reported for what is no slot's word");
    return;
  }
  const Edge& row = kEdges[edge];
  if (row.lane != lane->direction ||
      (row.by == LH_BY_NIC) != (fiber == kNicFiber) ||
      !(row.from & (1u << lh_state(old))) || lh_state(value) != row.to ||
      lh_tag(value) != lh_tag(old) + row.step) {
    run.Fail(std::string("edge ") + row.name + " by " + PartyName(fiber) +
             " on " + lane->name + ", " + Name(old) + " -> " + Name(value) +
             ", is not in the table");
    return;
  }
  ++edges_taken_[static_cast<size_t>(edge)];
  auto& performed = performed_[static_cast<size_t>(fiber)];
  if (performed.empty()) {
    announced_[static_cast<size_t>(fiber)].push_back({address, old, value});
    return;
  }
  const Change change = performed.front();
  performed.pop_front();
  if (change.address != address || change.old != old || change.value != value) {
    run.Fail(std::string("edge ") + row.name + " says " + Name(old) + " -> " +
             Name(value) + ", but memory went " + Name(change.old) + " -> " +
             Name(change.value));
  }
}

void ChannelChecker::OnWrite(Interleaver& run, int fiber, const Word* address,
                             Word old, Word value) {
  int slot = 0;
  const Lane* found = Find(address, &slot);
  if (!found || address != &found->lines[slot].header.word) return;
  Lane& lane = lanes_[static_cast<size_t>(found - lanes_.data())];
  const Change change{address, old, value};
  auto& performed = performed_[static_cast<size_t>(fiber)];
  if (!performed.empty()) {
    run.Fail(lane.name + " changed " + Name(performed.front().old) + " -> " +
             Name(performed.front().value) + " without a report");
    return;
  }
  auto& announced = announced_[static_cast<size_t>(fiber)];
  const auto same =
      std::find_if(announced.begin(), announced.end(), [&](const Change& a) {
        return a.address == address && a.value == value;
      });
  if (same == announced.end()) {
    performed.push_back(change);
  } else {
    if (same->old != old) {
      run.Fail("a store to " + lane.name + " expected " + Name(same->old) +
               " and overwrote " + Name(old));
    }
    announced.erase(same);
  }
  ApplyChange(run, fiber, lane, slot, change);
}

void ChannelChecker::ApplyChange(Interleaver& run, int fiber, Lane& lane,
                                 int slot, const Change& change) {
  const Word old = change.old;
  const Word value = change.value;
  const bool legal =
      std::any_of(std::begin(kEdges), std::end(kEdges), [&](const Edge& row) {
        return row.lane == lane.direction &&
               (row.by == LH_BY_NIC) == (fiber == kNicFiber) &&
               (row.from & (1u << lh_state(old))) &&
               row.to == lh_state(value) &&
               lh_tag(value) == lh_tag(old) + row.step;
      });
  Word& newest = lane.newest_tag[static_cast<size_t>(slot)];
  if (lh_state(value) == LH_FULL) {
    if (lh_tag(value) <= newest) {
      run.Fail("two messages of " + lane.name + " share the word " +
               Name(value));
      return;
    }
    newest = lh_tag(value);
  }
  if (!legal) {
    run.Fail(std::string(PartyName(fiber)) + " moved " + lane.name + " " +
             Name(old) + " -> " + Name(value) + ", which is no edge of its");
    return;
  }
  if (lh_state(value) == LH_TAKEN && ++lane.held > lane.slots - 1) {
    run.Fail("the host holds all slots of " + lane.name);
  }
  if (lh_state(old) == LH_TAKEN) --lane.held;
}

void ChannelChecker::OnAccess(Interleaver& run, int fiber, const Word* address,
                              bool write) {
  int slot = 0;
  const Lane* lane = Find(address, &slot);
  if (!lane) return;
  const Word word = run.Visible(fiber, &lane->lines[slot].header.word);
  const unsigned state = lh_state(word);
  const bool nic = fiber == kNicFiber;
  // The giver of an `in` slot may still write when the thread closes it.
  const bool owner =
      lane->direction == LH_LANE_OUT
          ? (write ? !nic && state == LH_FREE : nic && state == LH_FULL)
          : (write ? nic && (state == LH_FREE || state == LH_PARKED ||
                             state == LH_CLOSED)
                   : !nic && state == LH_TAKEN);
  if (!owner) {
    run.Fail(std::string(PartyName(fiber)) + (write ? " writes" : " reads") +
             " the message in " + lane->name + " while the slot is " +
             Name(word));
  }
}

void ChannelChecker::Gave(int lane, Word message) {
  lanes_[static_cast<size_t>(lane)].given.push_back(message);
}

void ChannelChecker::Took(int lane, Word message) {
  std::deque<Word>& given = lanes_[static_cast<size_t>(lane)].given;
  if (given.empty() || given.front() != message) {
    Interleaver::Current().Fail(
        "message " + std::to_string(message) + " was taken from " +
        lanes_[static_cast<size_t>(lane)].name + ", but " +
        (given.empty() ? "none" : "message " + std::to_string(given.front())) +
        " was due");
    return;
  }
  given.pop_front();
}

void ChannelChecker::CameBack(int lane, Word message) {
  std::deque<Word>& given = lanes_[static_cast<size_t>(lane)].given;
  if (given.empty() || given.back() != message) {
    Interleaver::Current().Fail("message " + std::to_string(message) +
                                " came back, but is not the newest");
    return;
  }
  given.pop_back();
}

void ChannelChecker::Finish(Interleaver& run) {
  for (const Lane& lane : lanes_) {
    if (!lane.given.empty()) {
      run.Fail("message " + std::to_string(lane.given.front()) + " of " +
               lane.name + " was given and never taken");
    }
  }
  for (const auto* changes : {&announced_, &performed_}) {
    for (const auto& list : *changes) {
      if (!list.empty()) run.Fail("a change and its report do not match");
    }
  }
}

}  // namespace lauberhorn::testing
