/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// What must hold in every schedule of a scenario with lanes:
//   * a slot's word changes only by an edge of LH_EDGE_TABLE, taken by the
//   party
//     and on the lane that the table says, and reported to LH_ON_EDGE();
//   * no two messages of a slot share a word;
//   * the host holds at most D-1 slots;
//   * a message is read and written only by the side that owns its slot;
//   * each message that was given is taken once, in order, or came back.
// Fiber 0 is the NIC, all others are the host.

#ifndef LAUBERHORN_ABI_HOST_TESTING_CHANNEL_CHECKER_H_
#define LAUBERHORN_ABI_HOST_TESTING_CHANNEL_CHECKER_H_

#include <array>
#include <deque>
#include <string>
#include <vector>

#include "../channel_edges.h"
#include "../message.h"
#include "interleaver.h"

namespace lauberhorn::testing {

inline constexpr int kNicFiber = 0;

class ChannelChecker : public Scenario {
 public:
  void OnEdge(Interleaver& run, int fiber, int edge, const Word* address,
              Word old, Word value) override;
  void OnWrite(Interleaver& run, int fiber, const Word* address, Word old,
               Word value) override;
  void OnAccess(Interleaver& run, int fiber, const Word* address,
                bool write) override;
  void Finish(Interleaver& run) override;

  // How often each edge of the table was taken, over all schedules.
  const std::array<uint64_t, LH_EDGES>& edges_taken() const {
    return edges_taken_;
  }

 protected:
  // Forgets the lanes of the schedule before.
  void ResetChecks();
  // `direction` is LH_LANE_OUT or LH_LANE_IN. Returns the lane's number.
  int AddLane(Interleaver& run, std::string name, int direction,
              const lh_line* lines, const Word* overflow, int overflow_words,
              int slots);

  // The life of a message: what the giver gave, the taker took, or the giver
  // kept after all.
  void Gave(int lane, Word message);
  void Took(int lane, Word message);
  void CameBack(int lane, Word message);

 private:
  struct Lane {
    std::string name;
    int direction;
    const lh_line* lines;
    const Word* overflow;
    int overflow_words;
    int slots;
    int held;
    std::vector<Word> newest_tag;  // of each slot
    std::deque<Word> given;        // neither taken nor back
  };
  struct Change {
    const Word* address;
    Word old;
    Word value;
  };

  // The lane and slot that an address belongs to; null: none.
  const Lane* Find(const Word* address, int* slot) const;
  void ApplyChange(Interleaver& run, int fiber, Lane& lane, int slot,
                   const Change& change);

  std::vector<Lane> lanes_;
  std::array<uint64_t, LH_EDGES> edges_taken_{};
  // Stores that were reported and are not in memory yet; changes of memory that
  // were not reported yet.
  std::array<std::deque<Change>, Interleaver::kMostFibers> announced_;
  std::array<std::deque<Change>, Interleaver::kMostFibers> performed_;
};

}  // namespace lauberhorn::testing

#endif  // LAUBERHORN_ABI_HOST_TESTING_CHANNEL_CHECKER_H_
