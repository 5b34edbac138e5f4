/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// Scenarios of a thread that sleeps on its `in` lane: park and wake; leaving
// the sleep for another reason; close against delivery, and reopen.

#include "channel_world.h"

namespace lauberhorn::testing {
namespace {

// The host gets each message in lh_get(), which may sleep each time. Some
// sleeps may also end for no reason; a caller that left comes back, as if it
// had seen to something else.
class ParkAndWake : public ChannelWorld {
 public:
  ParkAndWake(int slots, Misuse misuse, int messages, int empty_sleeps,
              bool looks_again)
      : ChannelWorld(1, slots, misuse), messages_(messages) {
    LetSleepsEnd(empty_sleeps, looks_again);
  }

  void Start(Interleaver& search) override {
    Reset(search, false);
    search.Spawn("NIC", [this] {
      for (int i = 1; i <= messages_; ++i) {
        WaitForRoomNic(serve());
        DeliverNic(serve(), static_cast<Word>(i));
      }
    });
    search.Spawn("host", [this] {
      for (int left = messages_; left > 0;) {
        lh_line* line = GetHost(serve());
        if (!line) continue;
        FinishHost(serve(), line);
        --left;
      }
    });
  }

 private:
  const int messages_;
};

// The NIC takes back what it gave to a sleeper that it woke, and gives it
// again.
class RevokeFromSleeper : public ChannelWorld {
 public:
  explicit RevokeFromSleeper(int slots) : ChannelWorld(1, slots) {}

  void Start(Interleaver& search) override {
    Reset(search, false);
    search.Spawn("NIC", [this] {
      DeliverNic(serve(), 1);
      if (RevokeNic(serve(), 1)) {
        WaitForRoomNic(serve());
        DeliverNic(serve(), 2);
      }
    });
    search.Spawn("host", [this] {
      lh_line* line = GetHost(serve());
      FinishHost(serve(), line);
    });
  }
};

// The thread leaves: it closes the lane at some moment of the deliveries, and
// first takes what came before. The NIC keeps what it cannot give. Then the
// lane is opened again, and the next thread, with the view of the first, gets
// what comes then.
class CloseAndReopen : public ChannelWorld {
 public:
  CloseAndReopen(int slots, Misuse misuse, bool sleeps)
      : ChannelWorld(1, slots, misuse), sleeps_(sleeps) {
    if (sleeps) LetSleepsEnd(1, false);
  }

  void Start(Interleaver& search) override {
    Reset(search, false);
    search.Spawn("NIC", [this] {
      for (Word message = 1; message <= (sleeps_ ? 1u : 2u); ++message) {
        WaitForRoomNic(serve());
        if (!lh_deliver_begin(&serve().nic_in)) break;
        if (DeliverNic(serve(), message) == LH_LANE_CLOSED) break;
      }
      AwaitStateOf(serve().nic_in, StateBit(LH_CLOSED));
      if (!lh_reopen(&serve().nic_in)) run().Fail("the lane is not closed");
      if (lh_reopen(&serve().nic_in)) run().Fail("the lane is closed twice");
      DeliverNic(serve(), kAfterReopen);
    });
    search.Spawn("host", [this] {
      if (sleeps_) {
        lh_line* line = GetHost(serve());
        if (line) FinishHost(serve(), line);
      }
      while (!lh_close(&serve().host.in)) {
        if (Misused(Misuse::kCloseAndForget)) return;
        FinishHost(serve(), lh_take(&serve().host.in));
      }
      // The answer to the command that opens it again.
      AwaitStateOf(serve().host.in, ~StateBit(LH_CLOSED));
      if (lh_is_closed(&serve().host.in)) run().Fail("closed after reopen");
      lh_line* line = GetHost(serve());
      while (!line) line = GetHost(serve());
      const Word message = FinishHost(serve(), line);
      if (message != kAfterReopen) run().Fail("an old message after reopen");
    });
  }

 private:
  static constexpr Word kAfterReopen = 10;

  const bool sleeps_;
};

// A waiter in lh_get() whose lane is closed gets nothing, and does not sleep.
class GetOnClosed : public ChannelWorld {
 public:
  explicit GetOnClosed(int slots) : ChannelWorld(1, slots) {}

  void Start(Interleaver& search) override {
    Reset(search, false);
    search.Spawn("NIC", [this] { DeliverNic(serve(), 1); });
    search.Spawn("host", [this] {
      while (!lh_close(&serve().host.in)) {
        FinishHost(serve(), lh_take(&serve().host.in));
      }
      if (GetHost(serve())) run().Fail("a closed lane gave a message");
      if (!lh_close(&serve().host.in)) run().Fail("not closed any more");
    });
  }
};

}  // namespace

void AddWaitScenarios(int slots, Misuse misuse,
                      std::vector<NamedScenario>* list) {
  const std::string suffix = ", D = " + std::to_string(slots);
  list->push_back(
      {"park and wake" + suffix,
       std::make_unique<ParkAndWake>(slots, misuse, slots, 0, false)});
  list->push_back({"park, wake or leave" + suffix,
                   std::make_unique<ParkAndWake>(slots, misuse, 2, 1, false)});
  list->push_back({"park, wake or look again" + suffix,
                   std::make_unique<ParkAndWake>(slots, misuse, 2, 1, true)});
  list->push_back({"revoke from a sleeper" + suffix,
                   std::make_unique<RevokeFromSleeper>(slots)});
  list->push_back({"close against delivery, reopen" + suffix,
                   std::make_unique<CloseAndReopen>(slots, misuse, false)});
  list->push_back(
      {"get on a closed lane" + suffix, std::make_unique<GetOnClosed>(slots)});
  list->push_back({"sleep, leave and close, reopen" + suffix,
                   std::make_unique<CloseAndReopen>(slots, misuse, true)});
}

}  // namespace lauberhorn::testing
