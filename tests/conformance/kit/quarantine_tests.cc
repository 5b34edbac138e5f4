// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// Processes that break the contract harm themselves, and are told.

#include <atomic>
#include <thread>

#include "tests/conformance/kit/host.h"
#include "tests/conformance/kit/sleeper.h"

namespace lauberhorn::conformance {
namespace {

constexpr int kWithoutEnd = 200'000;

// Puts what must be refused until the channel is quarantined.
void Misbehave(Host& host, HostChannel& channel, lh_channel_state& state) {
  lh_message header = {};
  header.kind = LH_KIND_NONE;
  for (int count = 0; count < kWithoutEnd; ++count) {
    if (lh_load_acquire(&state.quarantine) != 0) return;
    host.Put(channel, header);
  }
  host.Until("a quarantine after " + Hex(kWithoutEnd) + " wrong messages",
             [&] { return lh_load_acquire(&state.quarantine) != 0; });
}

void ExpectServed(Host& host, std::uint32_t endpoint) {
  host.AwaitEnd(endpoint, host.CallNobody(endpoint), kInvalidArgument);
}

void BadMessages(Host& host) {
  const std::uint32_t bad = host.endpoint(0);
  HostChannel& channel = host.call(bad);
  lh_channel_state& state = host.call_state(bad);
  ExpectServed(host, bad);
  Misbehave(host, channel, state);
  ExpectEqual(lh_load_acquire(&state.quarantine), LH_QUARANTINE_BAD_MESSAGE,
              "quarantine");
  const TakenMessage last = host.Await(channel, "QUARANTINED");
  ExpectEqual(last.header.kind, LH_KIND_QUARANTINED, "kind");
  ExpectEqual(last.header.code, LH_QUARANTINE_BAD_MESSAGE, "the reason:");
  // What is put is dropped, and there is always room for it.
  for (std::uint32_t round = 0; round < 3 * host.slots(); ++round) {
    host.CallNobody(bad);
  }
  ExpectServed(host, host.endpoint(1));
  Expect(!channel.HasMessage(), "nothing after QUARANTINED", "a message");
  // The other channel of the endpoint is served as before.
  const Host::Service service = host.Serve();
  host.Empty(bad);
  const std::uint64_t made = host.Call(service, host.endpoint(1));
  host.Reply(bad, host.AwaitCall(bad).header.call);
  host.AwaitEnd(host.endpoint(1), made, kOk);
}

void BadServer(Host& host) {
  const Host::Service service = host.Serve();
  const std::uint32_t bad = host.endpoint(0);
  const std::uint32_t good = host.endpoint(1);
  const std::uint32_t caller = host.endpoint(2);
  host.Empty(bad);
  const std::uint64_t held = host.Call(service, caller);
  const std::uint64_t call = host.AwaitCall(bad).header.call;
  Misbehave(host, host.serve(bad), host.serve_state(bad));
  const TakenMessage end = host.AwaitEnd(caller, held);
  Expect(end.header.code != kOk,
         "an error of a call whose thread is quarantined", "status 0");
  host.Reply(bad, call);
  host.Empty(good);
  const std::uint64_t made = host.Call(service, caller);
  host.Reply(good, host.AwaitCall(good).header.call);
  host.AwaitEnd(caller, made, kOk);
  host.Settle();
  Expect(!host.call(caller).HasMessage(), "one end of each call", "another");
}

void QuarantineWakes(Host& host) {
  const std::uint32_t bad = host.endpoint(0);
  HostChannel& channel = host.call(bad);
  lh_channel_state& state = host.call_state(bad);
  // The `out` lane is another thread's then: the two share nothing.
  HostChannel out = channel;
  Sleeper thread(host, channel);
  Misbehave(host, out, state);
  Expect(thread.Woken(), "the thread of a quarantined channel woken",
         "it slept on");
  ExpectEqual(host.Await(channel, "QUARANTINED").header.kind,
              LH_KIND_QUARANTINED, "kind");
}

// A state that an `in` lane has not, found at the next delivery.
void BadWords(Host& host) {
  for (const std::uint64_t wrong : {std::uint64_t{5}, std::uint64_t{15}}) {
    const std::uint32_t bad = host.endpoint(0);
    HostChannel& channel = host.call(bad);
    ExpectServed(host, bad);
    lh_store_release(channel.next_word(), lh_word(wrong, 7));
    host.CallNobody(bad);
    host.Until("a quarantine for a word in state " + Hex(wrong), [&] {
      return lh_load_acquire(&host.call_state(bad).quarantine) ==
             LH_QUARANTINE_BAD_WORD;
    });
    ExpectServed(host, host.endpoint(1));
    ExpectEqual(lh_load_acquire(channel.next_word()), lh_word(wrong, 7),
                "a word that is not the device's to change:");
    host.Reset();
  }
}

void BadWordsWake(Host& host) {
  const std::uint32_t bad = host.endpoint(0);
  HostChannel& channel = host.call(bad);
  __u64* const word = channel.next_word();
  Sleeper thread(host, channel);
  lh_store_release(word, lh_word(9, 0));
  host.CallNobody(host.endpoint(1), bad + 1);
  Expect(thread.Woken(), "the thread of a quarantined channel woken",
         "it slept on");
  ExpectEqual(lh_load_acquire(&host.call_state(bad).quarantine),
              LH_QUARANTINE_BAD_WORD, "quarantine, when the thread is woken:");
}

// The header changes while the device reads it: what it checked is what it
// uses.
void FieldsChangeMeanwhile(Host& host) {
  const Host::Pair pair = host.ServePair();
  HostChannel& channel = host.call(pair.caller);
  for (int round = 0; round < 300; ++round) {
    lh_line* const line = lh_lane_next(&channel.channel().out);
    std::atomic<bool> stop{false};
    std::thread other([&] {
      while (!stop.load()) {
        __atomic_store_n(&line->header.length, 0x7fff'ffff, __ATOMIC_RELAXED);
        __atomic_store_n(&line->header.length, 16, __ATOMIC_RELAXED);
      }
    });
    const lh_message header = host.NewCall(pair.service);
    host.Put(channel, header, std::string(16, 'x'));
    // It is refused, or runs as it was at one moment.
    host.Until("the message collected", [&] {
      return lh_state(lh_load_acquire(&line->header.word)) == LH_FREE;
    });
    stop.store(true);
    other.join();
    // What follows it tells.
    const std::uint64_t next = host.Call(pair.service, pair.caller, "next");
    TakenMessage call = host.AwaitCall(pair.worker);
    if (call.payload != "next") {
      ExpectEqual(call.header.length, 16, "length");
      host.Reply(pair.worker, call.header.call);
      host.AwaitEnd(pair.caller, header.call, kOk);
      call = host.AwaitCall(pair.worker);
    }
    host.Reply(pair.worker, call.header.call);
    host.AwaitEnd(pair.caller, next, kOk);
  }
}

constexpr Test kTests[] = {
    {"TRUST-7 TRUST-8 TRUST-10 TRUST-11 TRUST-13",
     "wrong messages without end are a channel's last", BadMessages},
    {"TRUST-12 TRUST-13", "and end the calls that its thread has", BadServer},
    {"TRUST-9", "and wake its thread", QuarantineWakes, kWake},
    {"TRUST-4 TRUST-8 TRUST-13", "an `in` word in no state is a channel's last",
     BadWords},
    {"TRUST-8 TRUST-9", "and wakes its thread", BadWordsWake, kWake},
    {"TRUST-1", "what changes while it is read harms nobody",
     FieldsChangeMeanwhile},
};

}  // namespace

std::span<const Test> QuarantineTests() { return kTests; }

}  // namespace lauberhorn::conformance
