/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// Scenarios of an `out` lane and the bell: put and collect with a NIC that
// watches, that stops watching, that sleeps, that does both; with full fences
// on both sides and with the asymmetric pair; and two threads that ring one
// bell.

#include "channel_world.h"

namespace lauberhorn::testing {
namespace {

constexpr uint32_t kAnyBit = ~1u;  // of the bell: all but none

// One thread puts, the NIC looks.
class PutAndCollect : public ChannelWorld {
 public:
  PutAndCollect(int slots, Misuse misuse, int messages)
      : ChannelWorld(1, slots, misuse), messages_(messages) {}

  void Start(Interleaver& search) override {
    Reset(search, true);
    search.Spawn("NIC", [this] {
      for (int left = messages_; left > 0;) {
        AwaitStateOf(serve().nic_out, StateBit(LH_FULL));
        while (CollectNic(serve())) --left;
      }
    });
    search.Spawn("host", [this] {
      for (int i = 1; i <= messages_; ++i) {
        PutHost(serve(), static_cast<Word>(i));
      }
    });
  }

 private:
  const int messages_;
};

struct Leaving {
  bool unwatches;
  bool sleeps;
  bool asymmetric;
};

// The NIC stops looking after each time that it found nothing.
class PutAndRing : public ChannelWorld {
 public:
  PutAndRing(int slots, Misuse misuse, int messages, Leaving leaving)
      : ChannelWorld(1, slots, misuse),
        messages_(messages),
        leaving_(leaving) {}

  void Start(Interleaver& search) override {
    Reset(search, leaving_.asymmetric);
    search.Spawn("NIC", [this] {
      int left = messages_;
      while (left > 0) {
        while (CollectNic(serve())) --left;
        if (left > 0) LeaveNic();
      }
    });
    search.Spawn("host", [this] {
      for (int i = 1; i <= messages_; ++i) {
        PutHost(serve(), static_cast<Word>(i));
      }
    });
  }

 private:
  bool FoundNic() {
    return lh_collect_begin(&serve().nic_out) ||
           lh_load_acquire(&memory().bits) != 0;
  }

  void LeaveNic() {
    if (leaving_.unwatches) lh_store_release(&memory().watched[0], 0);
    if (Misused(Misuse::kSleepBeforeFlag)) {
      if (FoundNic()) return;
      lh_store_release(&memory().asleep, 1);
      run().AwaitRing();
    } else {
      if (leaving_.sleeps) lh_store_release(&memory().asleep, 1);
      lh_bell_leave(leaving_.asymmetric);
      if (Misused(Misuse::kNoLookAfterLeave) || !FoundNic()) {
        if (leaving_.sleeps) {
          run().AwaitRing();
        } else {
          run().Await({{&memory().bits, kAnyBit}});
        }
      }
    }
    if (leaving_.sleeps) lh_store_release(&memory().asleep, 0);
    lh_bell_take(&memory().bits);
    if (leaving_.unwatches) lh_store_release(&memory().watched[0], 1);
  }

  const int messages_;
  const Leaving leaving_;
};

// The NIC never watches: it looks where the bell says, and only there. Two
// threads, each with a channel, share the bell's word.
class TwoRingOneBell : public ChannelWorld {
 public:
  TwoRingOneBell(int slots, Misuse misuse) : ChannelWorld(2, slots, misuse) {}

  void Start(Interleaver& search) override {
    Reset(search, false);
    memory().watched[0] = memory().watched[1] = 0;
    search.Spawn("NIC", [this] {
      for (int left = 3; left > 0;) {
        run().Await({{&memory().bits, kAnyBit}});
        if (Misused(Misuse::kLookBeforeBits)) {
          left -= CollectFrom(3);
          lh_bell_take(&memory().bits);
        } else {
          left -= CollectFrom(lh_bell_take(&memory().bits));
        }
      }
    });
    search.Spawn("host 0", [this] {
      PutHost(serve(), 10);
      PutHost(serve(), 11);
    });
    search.Spawn("host 1", [this] { PutHost(call(), 20); });
  }

 private:
  int CollectFrom(Word bits) {
    int collected = 0;
    if (bits & 1) {
      while (CollectNic(serve())) ++collected;
    }
    if (bits & 2) {
      while (CollectNic(call())) ++collected;
    }
    return collected;
  }
};

}  // namespace

void AddBellScenarios(int slots, Misuse misuse,
                      std::vector<NamedScenario>* list) {
  const std::string suffix = ", D = " + std::to_string(slots);
  list->push_back({"put, collect, watched" + suffix,
                   std::make_unique<PutAndCollect>(slots, misuse, slots + 2)});
  for (bool asymmetric : {false, true}) {
    const std::string fences =
        (asymmetric ? ", asymmetric fences" : ", full fences") + suffix;
    list->push_back({"put, collect, unwatched" + fences,
                     std::make_unique<PutAndRing>(
                         slots, misuse, 2, Leaving{true, false, asymmetric})});
    list->push_back(
        {"put, collect, asleep" + fences,
         std::make_unique<PutAndRing>(slots, misuse, slots,
                                      Leaving{false, true, asymmetric})});
    list->push_back({"put, collect, unwatched and asleep" + fences,
                     std::make_unique<PutAndRing>(
                         slots, misuse, 2, Leaving{true, true, asymmetric})});
  }
  list->push_back({"two ring one bell" + suffix,
                   std::make_unique<TwoRingOneBell>(slots, misuse)});
}

}  // namespace lauberhorn::testing
