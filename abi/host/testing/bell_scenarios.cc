/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// Scenarios of an `out` lane and the bell: put and collect with a NIC that
// watches, that stops watching, that sleeps, that does both; with full fences
// on both sides and with the asymmetric pair; two threads that ring one bell;
// and a NIC that sleeps with more messages than an `in` lane has room for.

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

// The NIC has more messages than the lane has slots, and sleeps when it cannot
// deliver the next. The host takes all there is before it sleeps, and then
// rings.
class BacklogAndRing : public ChannelWorld {
 public:
  BacklogAndRing(int slots, Misuse misuse, int messages, bool asymmetric)
      : ChannelWorld(1, slots, misuse),
        messages_(messages),
        asymmetric_(asymmetric) {}

  void Start(Interleaver& search) override {
    Reset(search, asymmetric_);
    search.Spawn("NIC", [this] {
      for (int i = 1; i <= messages_;) {
        if (DeliverNic(serve(), static_cast<Word>(i)) == LH_NOT_EMPTY) {
          LeaveNic();
        } else {
          ++i;
        }
      }
    });
    search.Spawn("host", [this] {
      const lh_waiter waiter = {[](void*) { return 0; }, RingAndSleep,
                                [](void*) {}, this};
      for (int left = messages_; left > 0; --left) {
        FinishHost(serve(), lh_get(&serve().host.in, &waiter));
      }
    });
  }

 private:
  static int RingAndSleep(void* world, Word* word, Word parked) {
    auto& self = *static_cast<BacklogAndRing*>(world);
    if (!self.Misused(Misuse::kNoLookAtBacklog) &&
        lh_bell_before_sleep(&self.serve().host.bell)) {
      run().Ring();
    }
    run().Sleep(word, parked, false);
    return 1;
  }

  void LeaveNic() {
    lh_store_release(&memory().backlog[0], 1);
    lh_store_release(&memory().asleep, 1);
    lh_bell_leave(asymmetric_);
    if (Misused(Misuse::kNoLookAfterLeave) ||
        !lh_deliver_begin(&serve().nic_in)) {
      run().AwaitRing();
    }
    lh_store_release(&memory().asleep, 0);
    lh_store_release(&memory().backlog[0], 0);
  }

  const int messages_;
  const bool asymmetric_;
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
    list->push_back({"backlog, asleep" + fences,
                     std::make_unique<BacklogAndRing>(slots, misuse, slots + 1,
                                                      asymmetric)});
  }
  list->push_back({"two ring one bell" + suffix,
                   std::make_unique<TwoRingOneBell>(slots, misuse)});
}

}  // namespace lauberhorn::testing
