// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/conformance/edge_log_checker.h
//
// Whether a log of edges (abi/host/testing/edge_log.h) is one that the table of
// spec/channel.table allows. It refuses
//   * an edge that the table does not have: its lane, the states before and
//     after, the step of the tag;
//   * two messages of a slot with the same word;
//   * edges of a slot that no order makes one path from word to word;
//   * a slot that is not at the position of the side that moves it;
//   * more than D-1 slots held, and a release of one that is not;
//   * who closes for a dead thread and takes or parks, leaves a slot TAKEN or
//     empty, or closes while the NIC reopens;
//   * a NIC that reopens a lane of a dead thread before it took back what is
//     FULL, or delivers there, or ends, before every slot is open.
//
// The position of a thread died with it, so who closes for it (ENDPOINT-20)
// visits every slot, then tells the NIC, which reopens them. A close elsewhere
// than at the host's position is one of such a visit. When the NIC reopens,
// each edge that the lane took before has its record, and so the state of each
// slot is known.
//
// Records of two parties may stand in another order than they happened. So the
// edges between two fills of a slot are checked as a set, not as a sequence;
// positions are checked for each side by itself.
//
//   EdgeLogChecker checker;
//   checker.Add(record);  // for each
//   checker.Finish(ended);
//   if (!checker.errors().empty()) ...
//
// Not thread-safe.
#ifndef LAUBERHORN_TESTS_CONFORMANCE_EDGE_LOG_CHECKER_H_
#define LAUBERHORN_TESTS_CONFORMANCE_EDGE_LOG_CHECKER_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "abi/host/channel_edges.h"
#include "abi/host/testing/edge_log_file.h"
#include "absl/strings/string_view.h"

namespace lauberhorn::conformance {

class EdgeLogChecker {
 public:
  void Add(const lh_edge_log_record& record);

  // The log is at its end. `ended` says that so were those who wrote it; else
  // the last record of each of them may be missing.
  void Finish(bool ended);

  // What is wrong, in words; not more than kMostErrors.
  static constexpr std::size_t kMostErrors = 20;
  const std::vector<std::string>& errors() const { return errors_; }

  // How often each edge was taken.
  const std::array<std::uint64_t, LH_EDGES>& taken() const { return taken_; }

 private:
  using States = std::array<std::int64_t, LH_STATES>;

  // What happened to a slot while its word had one tag.
  struct Tag {
    std::uint64_t fills = 0;
    std::uint64_t edges = 0;
    // How often each state was entered from another of this tag, and left for
    // one.
    States entered = {};
    States left = {};
    unsigned filled_from = LH_STATES;  // state of the tag before, at the fill
  };
  struct Slot {
    std::map<std::uint64_t, Tag> tags;
    std::uint64_t last = LH_EDGES;  // edge
    bool held = false;
  };
  // What happens to a lane whose thread died.
  enum class Death { kNone, kClosing, kReopening };
  struct Lane {
    unsigned direction;
    std::uint64_t stride;
    std::vector<Slot> slots;
    std::size_t host = 0;  // positions
    std::size_t nic = 0;
    std::size_t held = 0;
    Death death = Death::kNone;
  };
  using Lanes = std::map<std::uint64_t, Lane>;  // by address

  void AddLane(const lh_edge_log_record& record);
  void AddEdge(std::uint64_t edge, std::uint64_t address,
               const lh_edge_log_record& record);
  void Move(std::uint64_t at, Lane& lane, std::size_t slot, std::uint64_t edge);
  // The same for a lane whose thread died.
  void MoveOfDead(std::uint64_t at, Lane& lane, std::size_t slot,
                  std::uint64_t edge);
  // Whether the slots of a dead thread's lane are as they are to be: when the
  // NIC opened the slot `reopened`, or, without it, at the end.
  void JudgeDead(std::uint64_t begin, const Lane& lane,
                 std::optional<std::size_t> reopened);
  // Judges what is known of a lane's slots.
  void JudgeLane(std::uint64_t at, Lane& lane, bool ended);
  void JudgeTag(std::uint64_t at, const Slot& slot, std::uint64_t tag,
                bool is_last);
  // How often the edges of a tag enter a state and do not leave it.
  static std::int64_t Rest(std::uint64_t tag, const Tag& entry, unsigned state);
  // Where the path of a slot's newest tag ends, if all of its edges are known.
  static unsigned StateOf(const Slot& slot);
  void Error(std::uint64_t address, absl::string_view text);

  Lanes lanes_;
  std::uint64_t records_ = 0;
  std::vector<std::string> errors_;
  std::array<std::uint64_t, LH_EDGES> taken_ = {};
};

}  // namespace lauberhorn::conformance

#endif  // LAUBERHORN_TESTS_CONFORMANCE_EDGE_LOG_CHECKER_H_
