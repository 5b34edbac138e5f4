// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// Parking, waking, bells and rings.

#include <time.h>

#include <random>

#include "tests/conformance/kit/host.h"
#include "tests/conformance/kit/sleeper.h"

namespace lauberhorn::conformance {
namespace {

void WakesWhoSleeps(Host& host) {
  const Host::Pair pair = host.ServePair();
  for (std::uint32_t round = 0; round < 2 * host.slots(); ++round) {
    Sleeper handler(host, host.serve(pair.worker));
    const std::uint64_t made = host.Call(pair.service, pair.caller);
    Sleeper client(host, host.call(pair.caller));
    Expect(handler.Woken(), "a thread that sleeps on `serve` woken",
           "it slept on");
    host.Reply(pair.worker, host.AwaitCall(pair.worker).header.call);
    Expect(client.Woken(), "a thread that sleeps on `call` woken",
           "it slept on");
    host.AwaitEnd(pair.caller, made, kOk);
  }
}

// A moment of up to two milliseconds.
void Pause(std::mt19937_64& random) {
  const timespec moment = {
      .tv_sec = 0,
      .tv_nsec = static_cast<long>(random() % (1u << (random() % 22)))};
  nanosleep(&moment, nullptr);
}

// The thread falls asleep at any moment of the delivery.
void WakesWhoFallsAsleep(Host& host) {
  std::mt19937_64 random(host.options().seed);
  const std::uint32_t endpoint = host.endpoint(0);
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t call = host.CallNobody(endpoint);
    for (std::uint64_t spins = random() % 2000; spins > 0; --spins) {
      host.call(endpoint).HasMessage();
    }
    Sleeper thread(host, host.call(endpoint));
    Expect(thread.Woken(), "a thread woken that parks during a delivery",
           "it slept on");
    host.AwaitEnd(endpoint, call, kInvalidArgument);
  }
}

void UnparkedSlotsAreFilled(Host& host) {
  const std::uint32_t endpoint = host.endpoint(0);
  HostChannel& channel = host.call(endpoint);
  for (std::uint32_t round = 0; round < 2 * host.slots(); ++round) {
    Expect(channel.Park(), "a FREE slot", "it cannot be parked on");
    host.Settle();
    Expect(channel.Unpark(), "a PARKED slot left alone", "it has changed");
    host.AwaitEnd(endpoint, host.CallNobody(endpoint), kInvalidArgument);
  }
}

// Whatever the device does between messages, it finds the next.
void FindsWhatIsPut(Host& host) {
  std::mt19937_64 random(host.options().seed);
  for (int round = 0; round < 500; ++round) {
    const std::uint32_t endpoint =
        host.endpoint(static_cast<std::uint32_t>(random() % 4));
    Pause(random);
    host.AwaitEnd(endpoint, host.CallNobody(endpoint), kInvalidArgument);
  }
}

// Long after it has last spoken, while others do.
void FindsWhatItDoesNotWatch(Host& host) {
  const std::uint32_t endpoint = host.endpoint(0);
  host.AwaitEnd(endpoint, host.CallNobody(endpoint), kInvalidArgument);
  lh_channel_state& state = host.call_state(endpoint);
  // A device may watch for ever, and that is not worth the whole patience.
  const bool unwatched = host.Within(std::chrono::milliseconds(500), [&] {
    host.Command(LH_COMMAND_NONE);
    return lh_load_acquire(&state.watched) == 0;
  });
  if (!unwatched) throw NotApplicable{"it watches all channels"};
  host.AwaitEnd(endpoint, host.CallNobody(endpoint), kInvalidArgument);
}

void FindsWhatIsPutWhileItSleeps(Host& host) {
  const __u64* const asleep = &host.region().info().asleep;
  for (std::uint32_t round = 0; round < 4; ++round) {
    const std::uint32_t endpoint = host.endpoint(round);
    if (!host.Within([&] { return lh_load_acquire(asleep) != 0; })) {
      throw NotApplicable{"it does not sleep"};
    }
    host.AwaitEnd(endpoint, host.CallNobody(endpoint), kInvalidArgument);
  }
}

void StrayBitsAreIgnored(Host& host) {
  const lh_process_layout& process = host.layout().process;
  for (std::uint32_t line = 0; line < process.bell_lines; ++line) {
    auto* const bits =
        host.At<lh_bell_line>(process.bell + line * sizeof(lh_bell_line));
    for (__u64& word : bits->bits) {
      lh_bell bell = {};
      bell.bits = &word;
      bell.mask = ~std::uint64_t{0};
      lh_bell_set(&bell);
    }
  }
  host.Nudge(host.call(host.endpoint(0)));
  for (std::uint32_t line = 0; line < process.bell_lines; ++line) {
    auto* const bits =
        host.At<lh_bell_line>(process.bell + line * sizeof(lh_bell_line));
    for (__u64& word : bits->bits) {
      host.Until("all bell bits cleared",
                 [&] { return lh_load_acquire(&word) == 0; });
    }
  }
  host.AwaitEnd(host.endpoint(1), host.CallNobody(host.endpoint(1)),
                kInvalidArgument);
}

void NeverSleepsUnasked(Host& host) {
  const bool may = (host.info().features & LH_FEATURE_NEEDS_RING) != 0;
  const __u64* const asleep = &host.region().info().asleep;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t value = lh_load_acquire(asleep);
    Expect(value == 0 || (value == 1 && may),
           may ? "asleep 0 or 1" : "asleep 0 without LH_FEATURE_NEEDS_RING",
           Hex(value));
    host.Settle();
  }
}

// A ring that nobody needed, and its like, change nothing.
void StrayRingsAreHarmless(Host& host) {
  std::mt19937_64 random(host.options().seed);
  for (int round = 0; round < 100; ++round) {
    host.region().Ring();
    if (round % 4 == 0) Pause(random);
    host.AwaitEnd(host.endpoint(0), host.CallNobody(host.endpoint(0)),
                  kInvalidArgument);
  }
}

void LoadFeaturesAgree(Host& host) {
  const std::uint64_t features = host.info().features;
  const bool kick = (features & LH_FEATURE_NEEDS_KICK) != 0;
  Expect(kick || host.info().t_max_ns == 0,
         "LH_FEATURE_NEEDS_KICK of a device that leaves loads unanswered",
         "t_max_ns " + Hex(host.info().t_max_ns) + " without it");
  if ((features & LH_FEATURE_LOAD_BLOCKS_IRQ) == 0) return;
  Expect(kick, "LH_FEATURE_NEEDS_KICK with LH_FEATURE_LOAD_BLOCKS_IRQ",
         "it has it not");
  Expect(host.info().t_max_ns <= 100'000,
         "t_max_ns of at most 100,000 where loads block interrupts",
         Hex(host.info().t_max_ns));
}

void LoadsAreAnswered(Host& host) {
  if ((host.info().features & LH_FEATURE_NEEDS_KICK) == 0) {
    throw NotApplicable{"it answers all loads: no LH_FEATURE_NEEDS_KICK"};
  }
  Expect((host.info().features & LH_FEATURE_ASYMMETRIC_FENCE) == 0,
         "no LH_FEATURE_ASYMMETRIC_FENCE", "it has it");
  // The kit's patience is the judge: a load that is never answered ends it.
  const std::uint32_t endpoint = host.endpoint(0);
  for (std::uint32_t round = 0; round < 2 * host.slots(); ++round) {
    ExpectEqual(lh_state(*host.call(endpoint).next_word()), LH_FREE,
                "a load that is answered:");
    host.AwaitEnd(endpoint, host.CallNobody(endpoint), kInvalidArgument);
  }
}

constexpr Test kTests[] = {
    {"WAIT-1", "a thread that sleeps on a slot is woken when that is filled",
     WakesWhoSleeps, kWake},
    {"WAIT-1 WAIT-2", "and one that falls asleep during the delivery",
     WakesWhoFallsAsleep, kWake},
    {"SLOT-1", "a slot that was parked on and left is filled as any other",
     UnparkedSlotsAreFilled},
    {"BELL-5 BELL-6 BELL-7 BELL-8", "what is put is found, whenever that is",
     FindsWhatIsPut},
    {"BELL-10", "what is put on a channel that is not watched is found",
     FindsWhatItDoesNotWatch},
    {"BELL-7 BELL-10", "and what is put while the device sleeps",
     FindsWhatIsPutWhileItSleeps, kRing},
    {"BELL-11", "bell bits of no channel are ignored and cleared",
     StrayBitsAreIgnored},
    {"BELL-12", "a device that need not be rung never sleeps",
     NeverSleepsUnasked},
    {"BELL-9", "a ring that nobody needed is harmless", StrayRingsAreHarmless,
     kRing},
    {"STALL-11 STALL-12", "the features of unanswered loads agree",
     LoadFeaturesAgree},
    {"STALL-3 STALL-4 STALL-8", "loads are answered", LoadsAreAnswered},
};

}  // namespace

std::span<const Test> WakeTests() { return kTests; }

}  // namespace lauberhorn::conformance
