/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// Scenarios of an `in` lane without sleep: deliver, take and release; staging,
// revoke and refill; two slots held and released in another order.

#include "channel_world.h"

namespace lauberhorn::testing {
namespace {

// The last message; the host stops there.
constexpr Word kEnd = 99;

// One message after the other.
class DeliverTakeRelease : public ChannelWorld {
 public:
  DeliverTakeRelease(int slots, Misuse misuse)
      : ChannelWorld(1, slots, misuse), messages_(slots + 2) {}

  void Start(Interleaver& search) override {
    Reset(search, false);
    search.Spawn("NIC", [this] {
      for (int i = 1; i <= messages_; ++i) {
        if (!Misused(Misuse::kDeliverUnasked)) WaitForRoomNic(serve());
        DeliverNic(serve(), static_cast<Word>(i));
      }
    });
    search.Spawn("host", [this] {
      for (int i = 1; i <= messages_; ++i) {
        AwaitStateOf(serve().host.in, StateBit(LH_FULL));
        if (Misused(Misuse::kReadBeforeTake)) {
          Read(serve().host.in, lh_lane_next(&serve().host.in));
        }
        FinishHost(serve(), lh_take(&serve().host.in));
      }
    });
  }

 private:
  const int messages_;
};

// The host holds D-1 slots and gives them back in the order that it took them
// or the other; it may hold no more.
class HoldSeveral : public ChannelWorld {
 public:
  explicit HoldSeveral(int slots) : ChannelWorld(1, slots) {}

  void Start(Interleaver& search) override {
    Reset(search, false);
    search.Spawn("NIC", [this] {
      for (int i = 1; i <= 2 * slots(); ++i) {
        WaitForRoomNic(serve());
        DeliverNic(serve(), static_cast<Word>(i));
      }
    });
    search.Spawn("host", [this] {
      int taken = 0;
      for (bool backwards = false; taken < 2 * slots();
           backwards = !backwards) {
        std::vector<lh_line*>& lines = lines_;
        lines.clear();
        while (static_cast<int>(lines.size()) < slots() - 1 &&
               taken < 2 * slots()) {
          AwaitStateOf(serve().host.in, StateBit(LH_FULL));
          lines.push_back(lh_take(&serve().host.in));
          Took(serve().in, Read(serve().host.in, lines.back()));
          ++taken;
        }
        if (static_cast<int>(lines.size()) == slots() - 1 &&
            lh_take(&serve().host.in)) {
          run().Fail("lh_take() gave the last slot too");
        }
        while (!lines.empty()) {
          const auto which = backwards ? lines.end() - 1 : lines.begin();
          lh_release(&serve().host.in, *which);
          lines.erase(which);
        }
      }
    });
  }

 private:
  std::vector<lh_line*> lines_;
};

// The host holds one slot while it takes and releases all others: it is told
// that nothing can come, and goes on once it has released it.
class HoldTheNext : public ChannelWorld {
 public:
  explicit HoldTheNext(int slots) : ChannelWorld(1, slots) {}

  void Start(Interleaver& search) override {
    Reset(search, false);
    search.Spawn("NIC", [this] {
      for (int i = 1; i <= slots() + 1; ++i) {
        WaitForRoomNic(serve());
        DeliverNic(serve(), static_cast<Word>(i));
      }
    });
    search.Spawn("host", [this] {
      AwaitStateOf(serve().host.in, StateBit(LH_FULL));
      lh_line* held = lh_take(&serve().host.in);
      Took(serve().in, Read(serve().host.in, held));
      int finished = 0;
      // With D = 2 it may hold no second one.
      while (slots() > 2 && finished < slots() - 1) {
        AwaitStateOf(serve().host.in, StateBit(LH_FULL));
        FinishHost(serve(), lh_take(&serve().host.in));
        ++finished;
      }
      if (GetHost(serve())) run().Fail("a message in a slot that is held");
      lh_release(&serve().host.in, held);
      for (; finished < slots(); ++finished) {
        FinishHost(serve(), GetHost(serve()));
      }
    });
  }
};

// The NIC stages as much as there is room for, takes back what it can, newest
// first, and gives it again: as other messages in the places of the first.
class StageRevokeRefill : public ChannelWorld {
 public:
  StageRevokeRefill(int slots, Misuse misuse)
      : ChannelWorld(1, slots, misuse) {}

  void Start(Interleaver& search) override {
    Reset(search, false);
    search.Spawn("NIC", [this] {
      staged_.clear();
      Word next = 1;
      for (int i = 0; i < slots(); ++i) {
        if (DeliverNic(serve(), next) == LH_DELIVERED) {
          staged_.push_back(next);
        }
        ++next;
      }
      if (Misused(Misuse::kRevokeOlder)) RevokeOlder();
      int refills = 0;
      while (!staged_.empty() && RevokeNic(serve(), staged_.back())) {
        staged_.pop_back();
        ++refills;
      }
      if (refills > 0) {
        WaitForRoomNic(serve());
        DeliverNic(serve(), next);
      }
      WaitForRoomNic(serve());
      DeliverNic(serve(), kEnd);
    });
    search.Spawn("host", [this] {
      Word message = 0;
      while (message != kEnd) {
        AwaitStateOf(serve().host.in, StateBit(LH_FULL));
        lh_line* line = lh_take(&serve().host.in);
        // The NIC may have been first.
        if (line) message = FinishHost(serve(), line);
      }
    });
  }

 private:
  // Of two that wait, the one that is not the newest.
  void RevokeOlder() {
    if (staged_.size() < 2) return;
    lh_lane older = serve().nic_in;
    older.position = lh_lane_previous(&older);
    const Word message = staged_[staged_.size() - 2];
    if (lh_revoke(&older)) CameBack(serve().in, message);
  }

  std::vector<Word> staged_;
};

}  // namespace

void AddLaneScenarios(int slots, Misuse misuse,
                      std::vector<NamedScenario>* list) {
  const std::string suffix = ", D = " + std::to_string(slots);
  list->push_back({"deliver, take, release" + suffix,
                   std::make_unique<DeliverTakeRelease>(slots, misuse)});
  list->push_back(
      {"hold D-1 slots" + suffix, std::make_unique<HoldSeveral>(slots)});
  list->push_back(
      {"hold the next slot" + suffix, std::make_unique<HoldTheNext>(slots)});
  list->push_back({"stage, revoke, refill" + suffix,
                   std::make_unique<StageRevokeRefill>(slots, misuse)});
}

}  // namespace lauberhorn::testing
