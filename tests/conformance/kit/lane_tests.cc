// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// Words, positions and room: what a device does to lanes.

#include <cstring>
#include <random>
#include <vector>

#include "tests/conformance/kit/host.h"

namespace lauberhorn::conformance {
namespace {

std::vector<std::uint64_t> WordsOf(const lh_lane& lane) {
  std::vector<std::uint64_t> words;
  for (std::uint32_t slot = 0; slot < lane.slots; ++slot) {
    words.push_back(lh_load_acquire(&lh_lane_line(&lane, slot)->header.word));
  }
  return words;
}

void ExpectWords(const lh_lane& lane, const std::vector<std::uint64_t>& words,
                 const std::string& of) {
  const std::vector<std::uint64_t> found = WordsOf(lane);
  for (std::uint32_t slot = 0; slot < lane.slots; ++slot) {
    ExpectEqual(found[slot], words[slot],
                "slot " + std::to_string(slot) + " of " + of + ":");
  }
}

// Every word of both lanes, at each step of more messages than there are slots.
void WordsMoveByTheTable(Host& host) {
  const std::uint32_t endpoint = host.endpoint(0);
  HostChannel& channel = host.call(endpoint);
  const lh_lane out = channel.channel().out;
  const lh_lane in = channel.channel().in;
  std::vector<std::uint64_t> out_words(out.slots);
  std::vector<std::uint64_t> in_words(in.slots);
  for (std::uint32_t round = 0; round < 3 * out.slots + 1; ++round) {
    const std::uint32_t slot = round % out.slots;
    const std::uint64_t tag = 1 + round / out.slots;
    const std::uint64_t call = host.CallNobody(endpoint);
    host.Until("an answer", [&] { return channel.HasMessage(); });
    out_words[slot] = lh_word(LH_FREE, tag);
    in_words[slot] = lh_word(LH_FULL, tag);
    host.Until("the slot collected",
               [&] { return WordsOf(out)[slot] == out_words[slot]; });
    ExpectWords(out, out_words, "the `out` lane");
    ExpectWords(in, in_words, "the `in` lane");
    host.AwaitEnd(endpoint, call, kInvalidArgument);
    in_words[slot] = lh_word(LH_FREE, tag);
    ExpectWords(in, in_words, "the `in` lane");
  }
}

// The host holds what it took, and the device waits at its position.
void HeldSlotsAreLeftAlone(Host& host) {
  const std::uint32_t endpoint = host.endpoint(0);
  HostChannel& channel = host.call(endpoint);
  const std::uint32_t slots = host.slots();
  std::vector<std::uint64_t> calls;
  for (std::uint32_t number = 0; number < 3 * slots; ++number) {
    calls.push_back(host.CallNobody(endpoint));
  }
  auto next = [&, at = std::size_t{0}](lh_line** held) mutable {
    const TakenMessage message =
        host.AwaitHeld(channel, held, "answer " + std::to_string(at));
    ExpectEqual(message.header.call, calls[at], "in order, the end of call");
    ++at;
  };
  std::vector<lh_line*> held(slots - 1);
  for (lh_line*& line : held) next(&line);
  host.Until("the last slot filled", [&] { return channel.HasMessage(); });
  const std::vector<std::uint64_t> words = WordsOf(channel.channel().in);
  std::vector<lh_line> before;
  for (const lh_line* line : held) before.push_back(*line);
  host.Settle();
  ExpectWords(channel.channel().in, words, "a lane whose slots are held");
  for (std::size_t at = 0; at < held.size(); ++at) {
    Expect(std::memcmp(&before[at], held[at], sizeof(lh_line)) == 0,
           "a held slot as it was", "its bytes have changed");
  }
  if (held.size() > 1) {
    // The youngest first: the device waits at the oldest all the same.
    lh_line* const youngest = held.back();
    held.pop_back();
    channel.Release(youngest);
    const std::uint64_t word = lh_load_acquire(&youngest->header.word);
    host.BeforeSleep(channel);
    host.Settle();
    ExpectEqual(lh_load_acquire(&youngest->header.word), word,
                "a slot out of turn, not filled:");
  }
  for (lh_line* line : held) channel.Release(line);
  for (std::size_t rest = slots - 1; rest < calls.size(); ++rest) {
    lh_line* line = nullptr;
    next(&line);
    channel.Release(line);
  }
}

void BacklogIsShown(Host& host) {
  const std::uint32_t endpoint = host.endpoint(0);
  const std::uint32_t other = host.endpoint(1);
  HostChannel& channel = host.call(endpoint);
  lh_channel_state& state = host.call_state(endpoint);
  ExpectEqual(lh_load_acquire(&state.backlog), 0, "backlog of an empty lane:");
  std::vector<std::uint64_t> calls;
  for (std::uint32_t number = 0; number < 2 * host.slots(); ++number) {
    calls.push_back(host.CallNobody(endpoint));
  }
  host.Until("backlog while answers wait for room",
             [&] { return lh_load_acquire(&state.backlog) == 1; });
  // Nobody else waits for that.
  for (std::uint32_t round = 0; round < 2 * host.slots(); ++round) {
    host.AwaitEnd(other, host.CallNobody(other), kInvalidArgument);
  }
  ExpectEqual(lh_load_acquire(&host.call_state(other).backlog), 0,
              "backlog of another channel:");
  for (const std::uint64_t call : calls) {
    host.AwaitEnd(endpoint, call, kInvalidArgument);
  }
  host.Until("backlog 0 when nothing waits any more",
             [&] { return lh_load_acquire(&state.backlog) == 0; });
  Expect(!channel.HasMessage(), "as many answers as calls", "one more");
}

void CollectsInOrder(Host& host) {
  const std::uint32_t endpoint = host.endpoint(0);
  HostChannel& channel = host.call(endpoint);
  // A message in the slot after the next: not its turn.
  lh_line* const second = lh_lane_line(&channel.channel().out, 1);
  lh_message header = host.NewCall({});
  header.data = ~std::uint64_t{0};
  const std::uint64_t late = header.call;
  header.word = lh_word(LH_FULL, 1);
  second->header = header;
  host.Nudge(channel);
  host.Settle();
  ExpectEqual(lh_load_acquire(&second->header.word), lh_word(LH_FULL, 1),
              "a slot out of turn, not collected:");
  const std::uint64_t first = host.CallNobody(endpoint);
  host.AwaitEnd(endpoint, first, kInvalidArgument);
  host.AwaitEnd(endpoint, late, kInvalidArgument);
}

void OnlyFullIsCollected(Host& host) {
  for (const std::uint64_t state :
       {std::uint64_t{LH_PARKED}, std::uint64_t{LH_TAKEN},
        std::uint64_t{LH_CLOSED}, std::uint64_t{9}, std::uint64_t{15}}) {
    const std::uint32_t endpoint = host.endpoint(0);
    HostChannel& channel = host.call(endpoint);
    lh_line* const line = lh_lane_next(&channel.channel().out);
    lh_message header = host.NewCall({});
    header.data = ~std::uint64_t{0};
    header.word = state;
    line->header = header;
    host.Nudge(channel);
    host.Settle();
    ExpectEqual(lh_load_acquire(&line->header.word), state,
                "an `out` slot that is not FULL, left alone:");
    Expect(!channel.HasMessage(), "no answer to it", "there is one");
    host.Reset();
  }
}

void ClosedLanesAreNotFilled(Host& host) {
  const Host::Service service = host.Serve();
  const std::uint32_t gone = host.endpoint(0);
  const std::uint32_t other = host.endpoint(1);
  host.Empty(gone);
  host.Settle();
  host.Close(gone);
  const std::vector<std::uint64_t> serve =
      WordsOf(host.serve(gone).channel().in);
  const std::vector<std::uint64_t> call = WordsOf(host.call(gone).channel().in);
  // An answer for it, and a call that it had asked for.
  host.CallNobody(other, gone + 1);
  const std::uint64_t made = host.Call(service, other);
  host.Empty(other);
  const std::uint64_t arrived = host.AwaitCall(other).header.call;
  host.Reply(other, arrived);
  host.AwaitEnd(other, made, kOk);
  host.Settle();
  ExpectWords(host.serve(gone).channel().in, serve, "a closed `serve` lane");
  ExpectWords(host.call(gone).channel().in, call, "a closed `call` lane");
}

void ReopensWhereItWas(Host& host) {
  const std::uint32_t endpoint = host.endpoint(0);
  HostChannel& channel = host.call(endpoint);
  host.AwaitEnd(endpoint, host.CallNobody(endpoint), kInvalidArgument);
  host.Close(endpoint);
  const std::uint64_t closed = *channel.next_word();
  ExpectEqual(closed, lh_word(LH_CLOSED, 0), "CLOSED, with its tag:");
  host.Settle();
  ExpectEqual(*channel.next_word(), closed, "CLOSED until it is asked for:");
  host.Reopen(endpoint);
  ExpectEqual(lh_load_acquire(channel.next_word()), lh_word(LH_FREE, 0),
              "reopened, the slot where it was:");
  ExpectEqual(lh_load_acquire(host.serve(endpoint).next_word()),
              lh_word(LH_FREE, 0), "reopened, the slot of `serve`:");
  // Both positions are where they were.
  host.AwaitEnd(endpoint, host.CallNobody(endpoint), kInvalidArgument);
}

// The host closes while the device delivers: one of them comes first.
void CloseAndDeliverDoNotBothWin(Host& host) {
  const Host::Service service = host.Serve();
  const std::uint32_t worker = host.endpoint(0);
  const std::uint32_t caller = host.endpoint(1);
  const std::uint32_t other = host.endpoint(2);
  std::mt19937_64 random(host.options().seed);
  HostChannel& serve = host.serve(worker);
  for (int round = 0; round < 200; ++round) {
    host.Empty(worker);
    const std::uint64_t made = host.Call(service, caller);
    // Sometimes before the device is about to, sometimes after.
    const std::uint64_t looks = random() % 4000;
    for (std::uint64_t look = 0; look < looks && !serve.HasMessage(); ++look) {
    }
    if (serve.Close()) {
      host.Empty(other);
      host.Reply(other, host.AwaitCall(other).header.call);
      host.AwaitEnd(caller, made, kOk);
      ExpectEqual(lh_state(lh_load_acquire(serve.next_word())), LH_CLOSED,
                  "a lane that the host closed, in state");
      Expect(host.call(worker).Close(), "an empty lane", "a message");
      // The next round has one thread again.
      host.Close(other);
      host.Reopen(other);
    } else {
      host.Reply(worker, host.AwaitCall(worker).header.call);
      host.AwaitEnd(caller, made, kOk);
      host.Close(worker);
    }
    host.Reopen(worker);
  }
}

constexpr Test kTests[] = {
    {"SLOT-1 SLOT-3 SLOT-4 SLOT-5 SLOT-6",
     "words move as the table says, slot by slot", WordsMoveByTheTable},
    {"SLOT-1 SLOT-4 BACKLOG-2",
     "held slots are left alone, and the lane goes on where they are",
     HeldSlotsAreLeftAlone},
    {"BACKLOG-1 BACKLOG-2 BACKLOG-3",
     "answers without room wait in order, alone, and say so", BacklogIsShown},
    {"SLOT-5", "`out` slots are collected in order", CollectsInOrder},
    {"TRUST-5", "an `out` slot that is not FULL is not collected",
     OnlyFullIsCollected},
    {"SLOT-9", "closed lanes are not filled", ClosedLanesAreNotFilled},
    {"SLOT-10", "a closed lane is reopened when asked for, where it was",
     ReopensWhereItWas},
    {"SLOT-1 SLOT-9", "a lane that is closed during a delivery stays closed",
     CloseAndDeliverDoNotBothWin},
};

}  // namespace

std::span<const Test> LaneTests() { return kTests; }

}  // namespace lauberhorn::conformance
