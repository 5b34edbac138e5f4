// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// Which thread gets a call, and what is taken back.

#include <cstring>
#include <random>
#include <set>

#include "tests/conformance/kit/host.h"

namespace lauberhorn::conformance {
namespace {

void Limit(Host& host, std::uint32_t threads, std::uint32_t queued) {
  lh_command_limits limits = {};
  limits.running = 16;
  limits.threads = threads;
  limits.queued = queued;
  host.Good(LH_COMMAND_LIMITS, Bytes(limits));
}

void ExpectNothing(Host& host, std::uint32_t endpoint, const char* why) {
  host.Settle();
  Expect(!host.serve(endpoint).HasMessage(), why, "a message");
}

void CallsWaitForEmpty(Host& host) {
  const Host::Service service = host.Serve();
  const std::uint32_t worker = host.endpoint(0);
  const std::uint32_t caller = host.endpoint(1);
  const std::uint64_t made = host.Call(service, caller);
  for (std::uint32_t at = 0; at < host.endpoints(); ++at) {
    ExpectNothing(host, at, "no CALL to a thread that has not said EMPTY");
  }
  host.Empty(worker);
  host.Reply(worker, host.AwaitCall(worker).header.call);
  host.AwaitEnd(caller, made, kOk);
  // The reply says that there is room for one more.
  const std::uint64_t second = host.Call(service, caller);
  const std::uint64_t call = host.AwaitCall(worker).header.call;
  host.Reply(worker, call);
  host.AwaitEnd(caller, second, kOk);
}

void EmptyIsBounded(Host& host) {
  const Host::Service service = host.Serve();
  const std::uint32_t worker = host.endpoint(0);
  const std::uint32_t caller = host.endpoint(1);
  host.Empty(worker, 0);
  host.Empty(worker, static_cast<std::uint16_t>(host.slots()));
  host.Empty(worker, 0xffff);
  const std::uint64_t made = host.Call(service, caller);
  ExpectNothing(host, worker, "no CALL after an EMPTY that is refused");
  host.Empty(worker, static_cast<std::uint16_t>(host.slots() - 1));
  // Together they are too many.
  host.Reply(worker, host.AwaitCall(worker).header.call);
  host.Empty(worker, 1);
  host.AwaitEnd(caller, made, kOk);
  ExpectEqual(lh_load_acquire(&host.serve_state(worker).quarantine), 0,
              "after a few mistakes, quarantine still");
}

// Two calls for a thread that asked for two: it has taken the first, and the
// second stands in its lane.
struct Staged {
  explicit Staged(Host& host)
      : service(host.Serve()),
        worker(host.endpoint(0)),
        other(host.endpoint(1)),
        caller(host.endpoint(2)) {
    if (host.slots() < 3) throw NotApplicable{"lanes have two slots"};
    host.Empty(worker, 2);
    first = host.Call(service, caller, "first");
    first_served = host.AwaitCall(worker).header.call;
    second = host.Call(service, caller, "second");
    if (!host.Within([&] { return host.serve(worker).HasMessage(); })) {
      throw NotApplicable{"it stages nothing behind a handler that runs"};
    }
  }

  Host::Service service;
  std::uint32_t worker;
  std::uint32_t other;
  std::uint32_t caller;
  std::uint64_t first;
  std::uint64_t first_served;
  std::uint64_t second;
};

void LeaveRevokes(Host& host) {
  const Staged staged(host);
  HostChannel& serve = host.serve(staged.worker);
  lh_line* const line = lh_lane_next(&serve.channel().in);
  const std::uint64_t full = lh_load_acquire(&line->header.word);
  // The process writes where it may not, and that is to harm nobody else.
  std::memset(line->payload, 'x', sizeof(line->payload));
  line->header.call = 0;
  line->header.length = 3;
  host.Say(serve, LH_KIND_LEAVE, staged.first_served);
  host.Until("what is staged behind LEAVE revoked", [&] {
    return lh_state(lh_load_acquire(&line->header.word)) == LH_FREE;
  });
  ExpectEqual(lh_load_acquire(&line->header.word),
              lh_word(LH_FREE, lh_tag(full)), "the word after a revoke:");
  host.Empty(staged.other);
  TakenMessage call = host.AwaitCall(staged.other);
  Expect(call.payload == "second", "the NIC's own copy of what it revoked",
         call.payload);
  host.Reply(staged.other, call.header.call);
  host.AwaitEnd(staged.caller, staged.second, kOk);
  // `other` takes one more; the first thread only when it is back.
  const std::uint64_t third = host.Call(staged.service, staged.caller, "third");
  host.AwaitCall(staged.other);
  host.Call(staged.service, staged.caller, "fourth");
  ExpectNothing(host, staged.worker, "nothing to a thread that said LEAVE");
  host.Say(serve, LH_KIND_ENTER, staged.first_served);
  call = host.AwaitCall(staged.worker);
  Expect(call.payload == "fourth", "the call that waited", call.payload);
  // The slot of what was revoked is filled next.
  ExpectEqual(lh_load_acquire(&line->header.word),
              lh_word(LH_FREE, lh_tag(full) + 1),
              "the slot of what was revoked, filled next:");
  (void)third;
}

void StagedCallsGoToWhoWaits(Host& host) {
  const Staged staged(host);
  host.Empty(staged.other);
  Expect(host.AwaitCall(staged.other).payload == "second",
         "what was staged to go to one who waits", "another call");
}

// Behind a handler that says LEAVE: the last of two first.
void RevokesTheNewest(Host& host) {
  if (host.slots() < 4) throw NotApplicable{"lanes have less than four slots"};
  const Host::Service service = host.Serve();
  const std::uint32_t worker = host.endpoint(0);
  const std::uint32_t other = host.endpoint(1);
  const std::uint32_t caller = host.endpoint(2);
  const lh_lane in = host.serve(worker).channel().in;
  const auto word = [&](std::uint32_t slot) {
    return lh_load_acquire(&lh_lane_line(&in, slot)->header.word);
  };
  host.Empty(worker, 3);
  const std::uint64_t first = host.Call(service, caller, "first");
  const std::uint64_t call = host.AwaitCall(worker).header.call;
  host.Call(service, caller, "second");
  host.Call(service, caller, "third");
  // It may have taken one back already, for the thread itself.
  const std::uint32_t at = host.serve(worker).channel().in.position;
  const std::uint32_t last = (at + 1) % host.slots();
  if (!host.Within([&] {
        return lh_state(word(at)) == LH_FULL && lh_state(word(last)) == LH_FULL;
      })) {
    throw NotApplicable{"it does not fill a lane with two calls"};
  }
  const std::uint64_t newest = word(last);
  const std::uint64_t older = word(at);
  host.Say(host.serve(worker), LH_KIND_LEAVE, call);
  host.Until("both calls behind LEAVE revoked", [&] {
    // In this order: both may go between the two looks.
    const bool older_is_gone = word(at) != older;
    const bool newest_is_gone = word(last) != newest;
    Expect(!older_is_gone || newest_is_gone,
           "the newest message of a lane revoked first", "an older one");
    return older_is_gone;
  });
  host.Empty(other, 2);
  std::set<std::string> ran = {host.AwaitCall(other).payload,
                               host.AwaitCall(other).payload};
  Expect(ran == std::set<std::string>{"second", "third"},
         "both calls to go to another thread", *ran.begin());
  host.Reply(worker, call);
  host.AwaitEnd(caller, first, kOk);
}

// Takes race with whatever the device takes back: each call runs once.
void TakenOrRevoked(Host& host) {
  const Host::Service service = host.Serve();
  std::mt19937_64 random(host.options().seed);
  const std::uint32_t workers[] = {host.endpoint(0), host.endpoint(1),
                                   host.endpoint(2)};
  const std::uint32_t caller = host.endpoint(3);
  for (const std::uint32_t worker : workers) host.Empty(worker);
  constexpr std::uint32_t kCalls = 500;
  std::set<std::string> ran;
  std::set<std::uint64_t> open;
  std::uint32_t made = 0;
  host.Until("the ends of " + Hex(kCalls) + " calls", [&] {
    if (made < kCalls && open.size() < 4) {
      const lh_message header = host.NewCall(service);
      host.Put(host.call(caller), header, Bytes(header.call));
      open.insert(header.call);
      ++made;
    }
    // One thread takes, the others are elsewhere.
    const std::uint32_t worker = workers[random() % 3];
    for (std::uint64_t spins = random() % 3000; spins > 0; --spins) {
      host.serve(worker).HasMessage();
    }
    for (TakenMessage call; host.serve(worker).Take(&call);) {
      Expect(ran.insert(call.payload).second, "each call to run once",
             "one that ran already");
      host.Reply(worker, call.header.call, call.payload);
    }
    for (TakenMessage end; host.call(caller).Take(&end);) {
      Expect(end.header.kind == LH_KIND_REPLY && end.header.code == kOk &&
                 end.payload == Bytes(end.header.call) &&
                 open.erase(end.header.call) == 1,
             "each call's own reply, once", "another message");
    }
    return made == kCalls && open.empty();
  });
}

void LeaveAndEnterNameTheCall(Host& host) {
  if (host.slots() < 3) throw NotApplicable{"lanes have two slots"};
  const Host::Service service = host.Serve();
  const std::uint32_t worker = host.endpoint(0);
  const std::uint32_t caller = host.endpoint(1);
  HostChannel& serve = host.serve(worker);
  host.Empty(worker, 2);
  const std::uint64_t first = host.Call(service, caller);
  const std::uint64_t call = host.AwaitCall(worker).header.call;
  // None of these is the thread's.
  host.Say(serve, LH_KIND_ENTER, call);
  host.Say(serve, LH_KIND_LEAVE, call + (std::uint64_t{1} << 32));
  host.Say(serve, LH_KIND_LEAVE, ~std::uint64_t{0});
  host.Say(host.serve(host.endpoint(2)), LH_KIND_LEAVE, call);
  host.Settle();
  host.Call(service, caller, "second");
  const std::uint64_t second = host.AwaitCall(worker).header.call;
  // Twice away, once back.
  host.Reply(worker, second);
  host.Say(serve, LH_KIND_LEAVE, call);
  host.Say(serve, LH_KIND_LEAVE, call);
  host.Settle();
  host.Call(service, caller, "third");
  ExpectNothing(host, worker, "nothing to a thread that said LEAVE");
  host.Say(serve, LH_KIND_ENTER, call);
  host.Reply(worker, host.AwaitCall(worker).header.call);
  host.Reply(worker, call);
  for (int ends = 0; ends < 3; ++ends) {
    const TakenMessage end = host.Await(host.call(caller), "an end");
    ExpectEqual(end.header.code, kOk, "status");
  }
  (void)first;
}

void WhoLeftDoesNotRun(Host& host) {
  const Host::Service service = host.Serve();
  const std::uint32_t worker = host.endpoint(0);
  const std::uint32_t other = host.endpoint(1);
  const std::uint32_t caller = host.endpoint(2);
  lh_command_limits limits = {};
  limits.running = 1;
  limits.threads = limits.queued = 16;
  host.Good(LH_COMMAND_LIMITS, Bytes(limits));
  host.Empty(worker);
  host.Call(service, caller);
  const std::uint64_t call = host.AwaitCall(worker).header.call;
  host.Say(host.serve(worker), LH_KIND_LEAVE, call);
  // A thread that sleeps, which is woken for no more than run.
  host.Empty(other);
  host.Settle();
  Expect(host.serve(other).Park(), "an empty lane", "a message");
  host.Call(service, caller);
  host.AwaitCall(other);
}

void SaysWhenToGrow(Host& host) {
  const Host::Service service = host.Serve();
  const std::uint32_t first = host.endpoint(0);
  const std::uint32_t second = host.endpoint(1);
  const std::uint32_t caller = host.endpoint(2);
  host.Empty(first);
  host.Call(service, caller);
  TakenMessage call = host.AwaitCall(first);
  Expect((call.header.flags & LH_FLAG_GROW) != 0,
         "GROW with a call to the last thread that waits", "no such flag");
  host.Reply(first, call.header.call);
  host.AwaitEnd(caller, host.NewCall(service).call - 1, kOk);
  // Two wait now.
  host.Empty(second);
  host.Settle();
  host.Call(service, caller);
  const auto taken = [&] {
    return host.serve(first).Take(&call) || host.serve(second).Take(&call);
  };
  host.Until("a CALL", taken);
  Expect((call.header.flags & LH_FLAG_GROW) == 0,
         "no GROW while another thread waits", "the flag");
  // No more than there may be.
  Limit(host, 2, 100);
  host.Call(service, caller);
  host.Until("a CALL", taken);
  Expect((call.header.flags & LH_FLAG_GROW) == 0,
         "no GROW beyond the limit of threads", "the flag");
}

void QueueIsBounded(Host& host) {
  const Host::Service service = host.Serve();
  const std::uint32_t worker = host.endpoint(0);
  const std::uint32_t caller = host.endpoint(1);
  Limit(host, 4, 2);
  // Each in a session of its own: a client that hears that the queue is full
  // may keep further ones back.
  for (int calls = 0; calls < 5; ++calls) {
    Host::Service session = service;
    session.peer = host.Connect(service.port);
    host.Call(session, caller);
  }
  for (int refused = 0; refused < 3; ++refused) {
    const TakenMessage end = host.Await(host.call(caller), "a refusal");
    ExpectEqual(end.header.code, kResourceExhausted, "status");
  }
  ExpectNothing(host, worker, "nobody to run them");
  Expect(!host.call(caller).HasMessage(), "two calls to wait", "an end");
  host.Empty(worker);
  for (int calls = 0; calls < 2; ++calls) {
    host.Reply(worker, host.AwaitCall(worker).header.call);
    ExpectEqual(host.Await(host.call(caller), "an end").header.code, kOk,
                "status");
  }
}

// All threads that there may be wait for calls of their own.
void StuckCallsAreRefused(Host& host) {
  const Host::Service service = host.Serve();
  const std::uint32_t worker = host.endpoint(0);
  const std::uint32_t caller = host.endpoint(1);
  Limit(host, 1, 100);
  host.Empty(worker);
  const std::uint64_t outer = host.Call(service, caller);
  const std::uint64_t call = host.AwaitCall(worker).header.call;
  host.Say(host.serve(worker), LH_KIND_LEAVE, call);
  host.AwaitEnd(caller, host.Call(service, caller), kResourceExhausted);
  host.Say(host.serve(worker), LH_KIND_ENTER, call);
  host.Reply(worker, call);
  host.AwaitEnd(caller, outer, kOk);
  const std::uint64_t next = host.Call(service, caller);
  host.Reply(worker, host.AwaitCall(worker).header.call);
  host.AwaitEnd(caller, next, kOk);
}

constexpr Test kTests[] = {
    {"ENDPOINT-3 ENDPOINT-4", "calls come to who says EMPTY, or replies",
     CallsWaitForEmpty},
    {"ENDPOINT-5", "EMPTY of none or too many is refused", EmptyIsBounded},
    {"ENDPOINT-8 ENDPOINT-9 ORDER-6 SLOT-8",
     "LEAVE takes back what is staged, and ENTER gives again", LeaveRevokes},
    {"ENDPOINT-7", "what is staged goes to one who waits",
     StagedCallsGoToWhoWaits, kNothing, true},
    {"SLOT-7", "of two messages the newest is revoked first", RevokesTheNewest},
    {"ENDPOINT-6 SLOT-1", "each call runs once, whatever is taken back",
     TakenOrRevoked},
    {"ENDPOINT-10 CALL-18", "LEAVE and ENTER name a call of the thread",
     LeaveAndEnterNameTheCall},
    {"ENDPOINT-21", "a handler that left is none of those that run",
     WhoLeftDoesNotRun},
    {"ENDPOINT-13", "GROW says that no other thread waits", SaysWhenToGrow},
    {"CALL-25", "calls beyond the queue are refused", QueueIsBounded},
    {"ENDPOINT-14", "calls that no thread can take are refused",
     StuckCallsAreRefused},
};

}  // namespace

std::span<const Test> DispatchTests() { return kTests; }

}  // namespace lauberhorn::conformance
