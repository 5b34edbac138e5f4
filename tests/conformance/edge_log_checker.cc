// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/edge_log_checker.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace lauberhorn::conformance {
namespace {

constexpr const char* kStateNames[] = LH_STATE_NAMES;

struct Edge {
  const char* name;
  unsigned lane;
  unsigned by;
  unsigned from;  // mask of states
  unsigned to;
  unsigned step;  // of the tag
};
#define LAUBERHORN_EDGE(number, name, lane, by, from, to, step) \
  {#name, lane, by, from, to, step},
constexpr Edge kEdges[] = {LH_EDGE_TABLE(LAUBERHORN_EDGE)};
#undef LAUBERHORN_EDGE
static_assert(std::size(kEdges) == LH_EDGES);

// Older tags of a slot than so many are judged when a newer one comes. Whoever
// writes a record late has not moved the slot since, so far more than two are
// never open.
constexpr std::size_t kOpenTags = 8;

std::string Word(std::uint64_t word) {
  const unsigned state = lh_state(word);
  return absl::StrCat(
      state < LH_STATES ? kStateNames[state] : absl::StrCat("state ", state),
      "(", lh_tag(word), ")");
}

std::size_t Next(std::size_t slot, std::size_t slots) {
  return slot + 1 == slots ? 0 : slot + 1;
}

}  // namespace

void EdgeLogChecker::Error(std::uint64_t address, absl::string_view text) {
  if (errors_.size() == kMostErrors) return;
  errors_.push_back(
      absl::StrFormat("record %d, slot at %#x: %s", records_, address, text));
}

void EdgeLogChecker::Add(const lh_edge_log_record& record) {
  ++records_;
  const std::uint64_t kind = record.what >> 56;
  const std::uint64_t address = record.what & (~std::uint64_t{0} >> 8);
  if (kind == LH_EDGE_LOG_LANE) {
    AddLane(record);
  } else if (kind >= 1 && kind <= LH_EDGES) {
    AddEdge(kind - 1, address, record);
  } else {
    Error(address, absl::StrCat("no record has the kind ", kind));
  }
}

void EdgeLogChecker::AddLane(const lh_edge_log_record& record) {
  const std::uint64_t begin = record.what & (~std::uint64_t{0} >> 8);
  Lane lane = {.direction = static_cast<unsigned>(record.old >> 32),
               .stride = record.value,
               .slots = {}};
  lane.slots.resize(record.old & 0xffffffff);
  if (lane.direction > LH_LANE_IN || lane.slots.size() < 2 ||
      lane.stride == 0) {
    return Error(begin, "no lane is like that");
  }
  // Other lanes that were in this memory are gone.
  const std::uint64_t end = begin + lane.stride * lane.slots.size();
  auto old = lanes_.lower_bound(begin);
  if (old != lanes_.begin()) {
    const auto before = std::prev(old);
    const Lane& reach = before->second;
    if (before->first + reach.stride * reach.slots.size() > begin) old = before;
  }
  while (old != lanes_.end() && old->first < end) {
    JudgeLane(old->first, old->second, /*ended=*/true);
    old = lanes_.erase(old);
  }
  lanes_.emplace(begin, std::move(lane));
}

void EdgeLogChecker::AddEdge(std::uint64_t edge, std::uint64_t address,
                             const lh_edge_log_record& record) {
  const Edge& row = kEdges[edge];
  ++taken_[edge];
  const unsigned from = lh_state(record.old);
  const std::uint64_t tag = lh_tag(record.old);
  if ((row.from & (1u << from)) == 0 || lh_state(record.value) != row.to ||
      lh_tag(record.value) != tag + row.step) {
    return Error(address,
                 absl::StrCat(row.name, " does not go from ", Word(record.old),
                              " to ", Word(record.value)));
  }
  auto found = lanes_.upper_bound(address);
  if (found == lanes_.begin()) {
    return Error(address, absl::StrCat(row.name, " where no lane is"));
  }
  --found;
  Lane& lane = found->second;
  const std::uint64_t offset = address - found->first;
  const std::size_t number = offset / lane.stride;
  if (number >= lane.slots.size() || offset % lane.stride != 0) {
    return Error(address, absl::StrCat(row.name, " where no slot is"));
  }
  if (row.lane != lane.direction) {
    return Error(address, absl::StrCat(row.name, " is no edge of this lane"));
  }
  Slot& slot = lane.slots[number];
  if (row.step == 0) {
    Tag& entry = slot.tags[tag];
    ++entry.left[from];
    ++entry.entered[row.to];
  } else {
    slot.tags.try_emplace(tag);  // the fill left it
    Tag& entry = slot.tags[tag + 1];
    if (++entry.fills > 1) {
      Error(address,
            absl::StrCat("two messages have the word ", Word(record.value)));
    }
    entry.filled_from = from;
  }
  Move(address, lane, number, edge);
  while (slot.tags.size() > kOpenTags) {
    JudgeTag(address, slot, slot.tags.begin()->first, /*is_last=*/false);
    slot.tags.erase(slot.tags.begin());
  }
}

// Each side's position, from its own records, which are in order.
void EdgeLogChecker::Move(std::uint64_t at, Lane& lane, std::size_t slot,
                          std::uint64_t edge) {
  const std::size_t slots = lane.slots.size();
  const auto expect = [&](std::size_t position) {
    if (slot == position) return;
    Error(at, absl::StrCat(kEdges[edge].name, " at slot ", slot,
                           " while that side's position is ", position));
  };
  // A slot that its thread closed is where both sides are; those of a dead one
  // are opened in any order.
  if (edge == LH_EDGE_REOPEN && lane.death == Death::kNone) expect(lane.nic);
  MoveOfDead(at, lane, slot, edge);
  switch (edge) {
    case LH_EDGE_PUT:
      expect(lane.host);
      lane.host = Next(slot, slots);
      break;
    case LH_EDGE_COLLECT:
    case LH_EDGE_DELIVER:
      expect(lane.nic);
      lane.nic = Next(slot, slots);
      break;
    case LH_EDGE_REVOKE:
      expect(lane.nic == 0 ? slots - 1 : lane.nic - 1);
      lane.nic = slot;
      break;
    case LH_EDGE_TAKE:
      expect(lane.host);
      lane.host = Next(slot, slots);
      lane.slots[slot].held = true;
      if (++lane.held >= slots) {
        Error(at, absl::StrCat("the host holds all ", slots, " slots"));
      }
      break;
    case LH_EDGE_RELEASE:
      if (!lane.slots[slot].held) {
        return Error(at, "release of a slot that is not held");
      }
      lane.slots[slot].held = false;
      --lane.held;
      break;
    case LH_EDGE_PARK:
    case LH_EDGE_UNPARK:
      expect(lane.host);
      break;
    default:  // close, reopen
      break;
  }
  lane.slots[slot].last = edge;
}

// Who closes elsewhere than at the position closes for a dead thread, until the
// NIC reopens. What is FULL meanwhile comes and goes as ever: the NIC may not
// know yet.
void EdgeLogChecker::MoveOfDead(std::uint64_t at, Lane& lane, std::size_t slot,
                                std::uint64_t edge) {
  const auto refuse = [&](const char* when) {
    Error(at, absl::StrCat(kEdges[edge].name, " ", when));
  };
  switch (lane.death) {
    case Death::kNone:
      if (edge == LH_EDGE_CLOSE && slot != lane.host) {
        lane.death = Death::kClosing;
      }
      return;
    case Death::kClosing:
      if (edge == LH_EDGE_TAKE || edge == LH_EDGE_PARK ||
          edge == LH_EDGE_UNPARK) {
        refuse("in a lane that was closed for a dead thread");
      }
      if (edge != LH_EDGE_REOPEN) return;
      JudgeDead(at - slot * lane.stride, lane, slot);
      lane.death = Death::kReopening;
      break;
    case Death::kReopening:
      if (edge == LH_EDGE_CLOSE || edge == LH_EDGE_DELIVER) {
        refuse("before each slot of a dead thread was reopened");
      }
      break;
  }
  const auto is_closed = [](const Slot& closed) {
    return StateOf(closed) == LH_CLOSED;
  };
  if (std::none_of(lane.slots.begin(), lane.slots.end(), is_closed)) {
    lane.death = Death::kNone;
  }
}

void EdgeLogChecker::JudgeDead(std::uint64_t begin, const Lane& lane,
                               std::optional<std::size_t> reopened) {
  for (std::size_t number = 0; number < lane.slots.size(); ++number) {
    const Slot& slot = lane.slots[number];
    const unsigned state = StateOf(slot);
    // He found it FULL, and the NIC took it back.
    const bool is_back = state == LH_FREE && slot.last == LH_EDGE_REVOKE;
    if (state == LH_CLOSED || is_back || number == reopened) continue;
    if (state == LH_FULL && !reopened.has_value()) continue;
    Error(begin + number * lane.stride,
          absl::StrCat("a dead thread's slot is ",
                       state < LH_STATES ? kStateNames[state] : "anything",
                       reopened.has_value() ? " when its lane is reopened"
                                            : " at the end"));
  }
}

void EdgeLogChecker::Finish(bool ended) {
  for (auto& [at, lane] : lanes_) JudgeLane(at, lane, ended);
  lanes_.clear();
}

void EdgeLogChecker::JudgeLane(std::uint64_t at, Lane& lane, bool ended) {
  for (std::size_t number = 0; number < lane.slots.size(); ++number) {
    const Slot& slot = lane.slots[number];
    // Who was ended at once may have left out a record of the last two: its own
    // last one, where others went on from it.
    std::size_t left = slot.tags.size();
    for (const auto& [tag, entry] : slot.tags) {
      if (!ended && left <= 2) break;
      JudgeTag(at + number * lane.stride, slot, tag, left == 1);
      --left;
    }
  }
  if (!ended || lane.death == Death::kNone) return;
  if (lane.death == Death::kReopening) {
    return Error(at, "the lane of a dead thread was reopened in part");
  }
  JudgeDead(at, lane, std::nullopt);
}

// The edges of a tag are one path: it begins where the fill put the word, or
// with a word of zero, and ends where the next fill left it.
void EdgeLogChecker::JudgeTag(std::uint64_t at, const Slot& slot,
                              std::uint64_t tag, bool is_last) {
  const Tag& entry = slot.tags.at(tag);
  if (tag > 0 && entry.fills == 0) {
    return Error(at, absl::StrCat("edges of ", Word(lh_word(LH_FULL, tag)),
                                  ", which nobody filled"));
  }
  const auto next = slot.tags.find(tag + 1);
  const bool filled = next != slot.tags.end() && next->second.fills > 0;
  if (!filled && !is_last) {
    return Error(
        at, absl::StrCat(Word(lh_word(LH_FULL, tag + 1)), " was left out"));
  }
  unsigned ends = 0;
  for (unsigned state = 0; state < LH_STATES; ++state) {
    std::int64_t rest = Rest(tag, entry, state);
    if (filled && state == next->second.filled_from) --rest;
    if (rest == 1 && !filled) {
      ++ends;
    } else if (rest != 0) {
      return Error(at,
                   absl::StrCat("the edges of tag ", tag,
                                " are no path: ", kStateNames[state],
                                rest > 0 ? " is entered " : " is left ",
                                rest > 0 ? rest : -rest, " times too often"));
    }
  }
  if (!filled && ends != 1) {
    Error(at, absl::StrCat("the edges of tag ", tag, " end nowhere"));
  }
}

std::int64_t EdgeLogChecker::Rest(std::uint64_t tag, const Tag& entry,
                                  unsigned state) {
  const unsigned first = tag == 0 ? LH_FREE : LH_FULL;
  return entry.entered[state] - entry.left[state] + (state == first ? 1 : 0);
}

unsigned EdgeLogChecker::StateOf(const Slot& slot) {
  if (slot.tags.empty()) return LH_FREE;
  const auto& [tag, entry] = *slot.tags.rbegin();
  unsigned state = 0;
  while (state < LH_STATES && Rest(tag, entry, state) != 1) ++state;
  return state;
}

}  // namespace lauberhorn::conformance
