/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// The memory and the two sides of the scenarios: up to two channels, their
// flags and bell, and what both sides do again and again, written as a careful
// includer of the header would. Names end in Nic or Host for the side that
// calls them.

#ifndef LAUBERHORN_ABI_HOST_TESTING_CHANNEL_WORLD_H_
#define LAUBERHORN_ABI_HOST_TESTING_CHANNEL_WORLD_H_

#include <memory>
#include <string>
#include <vector>

// Brings channel.h, over the interleaver's macros.
#include "atomic_interleaved.h"
#include "channel_checker.h"

namespace lauberhorn::testing {

// Wrong uses of the header; each must be found.
enum class Misuse {
  kNone,
  kReadBeforeTake,
  kReadAfterRelease,
  kWriteAfterGive,
  kCollectBeforeRead,
  kDeliverUnasked,    // without lh_deliver_begin()
  kRevokeOlder,       // of two
  kNoLookAfterLeave,  // the NIC leaves at once
  kLookBeforeBits,    // the NIC looks at the lane, then takes the bell's bits
  kSleepBeforeFlag,   // the NIC sets `asleep` after its last look
  kNoLookAtBacklog,   // the host does not look at `backlog` before it sleeps
  kNoBell,            // the host does not look at the flags after a put
  kNoWake,            // the NIC forgets the wake of a parked thread
  kCloseAndForget,    // the thread goes though lh_close() failed
  kNestedOnServe,     // the nested call's reply comes on `serve`
};

inline constexpr uint32_t StateBit(unsigned state) { return 1u << state; }
inline constexpr uint32_t kEmptyStates =
    StateBit(LH_FREE) | StateBit(LH_PARKED);

inline constexpr int kMostChannels = 2;
inline constexpr int kMostSlots = 3;

// All that the fibers share.
struct alignas(128) SharedMemory {
  lh_line lines[kMostChannels][2][kMostSlots];
  Word overflow[kMostChannels][2][kMostSlots];
  Word watched[kMostChannels];
  Word backlog[kMostChannels];
  Word asleep;
  Word bits;
};

class ChannelWorld : public ChannelChecker {
 public:
  ChannelWorld(int channels, int slots, Misuse misuse = Misuse::kNone)
      : misuse_(misuse), channel_count_(channels), slots_(slots) {}

  static SharedMemory* Memory();

  // How often lh_deliver_end() returned each value, over all schedules.
  const std::array<uint64_t, LH_BAD_WORD + 1>& deliveries() const {
    return deliveries_;
  }

 protected:
  struct Channel {
    lh_channel host;
    lh_lane nic_out;
    lh_lane nic_in;
    int out;  // numbers of the lanes, for the checks
    int in;
  };

  // Sets everything to its first state; the scenario then spawns fibers.
  void Reset(Interleaver& run, bool asymmetric);

  static Interleaver& run() { return Interleaver::Current(); }
  Channel& serve() { return channels_[0]; }
  Channel& call() { return channels_[1]; }
  SharedMemory& memory() { return *Memory(); }
  int slots() const { return slots_; }
  bool Misused(Misuse misuse) const { return misuse_ == misuse; }

  // The message's body: two words, one in the line and one in the overflow.
  void Write(const lh_lane& lane, lh_line* line, Word message);
  Word Read(const lh_lane& lane, lh_line* line);

  void AwaitStateOf(const lh_lane& lane, uint32_t states);

  // Host.
  void PutHost(Channel& channel, Word message);
  Word TakeHost(Channel& channel, lh_line* line);
  // Reads, releases.
  Word FinishHost(Channel& channel, lh_line* line);
  // lh_get() once.
  lh_line* GetHost(Channel& channel);
  lh_waiter Waiter();
  // Of each schedule's sleeps, the first `count` may end for no reason: the
  // waiter then leaves, or looks again.
  void LetSleepsEnd(int count, bool looks_again) {
    empty_sleeps_ = count;
    looks_again_ = looks_again;
  }

  // NIC.
  void WaitForRoomNic(Channel& channel);
  enum lh_delivery DeliverNic(Channel& channel, Word message);
  bool RevokeNic(Channel& channel, Word message);
  // The next message, or 0.
  Word CollectNic(Channel& channel);

 private:
  Word* OverflowOf(const lh_lane& lane, lh_line* line);

  const Misuse misuse_;
  const int channel_count_;
  const int slots_;
  int empty_sleeps_ = 0;
  int empty_sleeps_left_ = 0;
  bool looks_again_ = false;
  Channel channels_[kMostChannels];
  std::array<uint64_t, LH_BAD_WORD + 1> deliveries_{};
};

// A scenario that was given a name.
struct NamedScenario {
  std::string name;
  std::unique_ptr<ChannelWorld> scenario;
};

// The scenarios of each file, for D = `slots`.
void AddLaneScenarios(int slots, Misuse misuse,
                      std::vector<NamedScenario>* list);
void AddWaitScenarios(int slots, Misuse misuse,
                      std::vector<NamedScenario>* list);
void AddBellScenarios(int slots, Misuse misuse,
                      std::vector<NamedScenario>* list);
void AddEndpointScenarios(int slots, Misuse misuse,
                          std::vector<NamedScenario>* list);

}  // namespace lauberhorn::testing

#endif  // LAUBERHORN_ABI_HOST_TESTING_CHANNEL_WORLD_H_
