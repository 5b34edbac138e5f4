/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// Scenarios of whole channels: a client that exchanges, with a NIC that sleeps
// when it finds nothing; and an endpoint, whose thread serves a call, calls in
// the middle of it, and has another request staged behind.

#include "channel_world.h"

namespace lauberhorn::testing {
namespace {

constexpr Word kReplyOf = 100;  // added to a call's message

// The client exchanges, the NIC answers.
class Exchange : public ChannelWorld {
 public:
  Exchange(int slots, Misuse misuse, int calls, bool nic_sleeps,
           bool asymmetric)
      : ChannelWorld(1, slots, misuse),
        calls_(calls),
        nic_sleeps_(nic_sleeps),
        asymmetric_(asymmetric) {}

  void Start(Interleaver& search) override {
    Reset(search, asymmetric_);
    search.Spawn("NIC", [this] {
      for (int left = calls_; left > 0; --left) {
        Word message = CollectNic(serve());
        while (!message) {
          WaitNic();
          message = CollectNic(serve());
        }
        WaitForRoomNic(serve());
        DeliverNic(serve(), message + kReplyOf);
      }
    });
    search.Spawn("host", [this] {
      for (int i = 1; i <= calls_; ++i) {
        const Word message = static_cast<Word>(i);
        lh_line* line = lh_put_begin(&serve().host.out);
        if (!line) run().Fail("the NIC answered a call that it has not read");
        Write(serve().host.out, line, message);
        Gave(serve().out, message);
        const lh_waiter waiter = Waiter();
        line = lh_exchange(&serve().host, line, &waiter);
        if (FinishHost(serve(), line) != message + kReplyOf) {
          run().Fail("the reply of another call");
        }
      }
    });
  }

 private:
  void WaitNic() {
    if (!nic_sleeps_) {
      AwaitStateOf(serve().nic_out, StateBit(LH_FULL));
      return;
    }
    lh_store_release(&memory().asleep, 1);
    lh_bell_leave(asymmetric_);
    if (!lh_collect_begin(&serve().nic_out)) run().AwaitRing();
    lh_store_release(&memory().asleep, 0);
  }

  const int calls_;
  const bool nic_sleeps_;
  const bool asymmetric_;
};

// The thread gets call 1, and calls another service before it replies. Call 2
// is staged behind call 1; if the thread says that it leaves, the NIC takes
// call 2 back and delivers it after the reply.
class NestedCall : public ChannelWorld {
 public:
  NestedCall(int slots, Misuse misuse, bool leaves)
      : ChannelWorld(2, slots, misuse), leaves_(leaves) {}

  void Start(Interleaver& search) override {
    Reset(search, true);
    search.Spawn("NIC", [this] { Nic(); });
    search.Spawn("host", [this] { Host(); });
  }

 private:
  static constexpr Word kLeave = 50;
  static constexpr Word kEnter = 51;
  static constexpr Word kNested = 7;

  void Nic() {
    DeliverNic(serve(), 1);
    bool staged = DeliverNic(serve(), 2) != LH_NOT_EMPTY;
    bool replied = false;
    while (!replied || !staged) {
      run().Await(
          {{&lh_lane_next(&serve().nic_out)->header.word, StateBit(LH_FULL)},
           {&lh_lane_next(&call().nic_out)->header.word, StateBit(LH_FULL)}});
      const Word served = CollectNic(serve());
      if (served == kLeave && staged) staged = !RevokeNic(serve(), 2);
      if (served == 1 + kReplyOf) {
        replied = true;
        if (!staged) {
          WaitForRoomNic(serve());
          DeliverNic(serve(), 2);
          staged = true;
        }
      }
      if (CollectNic(call()) == kNested) {
        DeliverNic(Misused(Misuse::kNestedOnServe) ? serve() : call(),
                   kNested + kReplyOf);
      }
    }
  }

  void Host() {
    lh_line* held = GetHost(serve());
    if (leaves_) PutHost(serve(), kLeave);
    PutHost(call(), kNested);
    if (FinishHost(call(), GetHost(call())) != kNested + kReplyOf) {
      run().Fail("the nested call got another reply");
    }
    if (leaves_) PutHost(serve(), kEnter);
    // The request was held till now: a handler reads it in place.
    if (FinishHost(serve(), held) != 1) run().Fail("not the first call");
    PutHost(serve(), 1 + kReplyOf);
    if (FinishHost(serve(), GetHost(serve())) != 2) {
      run().Fail("not the second call");
    }
  }

  const bool leaves_;
};

}  // namespace

void AddEndpointScenarios(int slots, Misuse misuse,
                          std::vector<NamedScenario>* list) {
  const std::string suffix = ", D = " + std::to_string(slots);
  list->push_back({"exchange" + suffix,
                   std::make_unique<Exchange>(slots, misuse, 2, false, true)});
  list->push_back({"exchange with a NIC that sleeps, full fences" + suffix,
                   std::make_unique<Exchange>(slots, misuse, 2, true, false)});
  list->push_back(
      {"exchange with a NIC that sleeps, asymmetric fences" + suffix,
       std::make_unique<Exchange>(slots, misuse, slots == 2 ? 2 : 1, true,
                                  true)});
  list->push_back({"nested call" + suffix,
                   std::make_unique<NestedCall>(slots, misuse, false)});
  list->push_back({"nested call, leaves" + suffix,
                   std::make_unique<NestedCall>(slots, misuse, true)});
}

}  // namespace lauberhorn::testing
