// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// Calls that end before their reply: deadlines, cancellation, links, threads
// that are gone.

#include "tests/conformance/kit/host.h"

namespace lauberhorn::conformance {
namespace {

void ExpectFlag(Host& host, std::uint64_t call, std::uint64_t flag) {
  host.Until("flag " + Hex(flag) + " in the call word", [&] {
    return host.CallWord(call) == lh_handle(flag, lh_handle_generation(call));
  });
}

// So many nanoseconds of the host from now.
std::uint64_t In(Host& host, std::uint64_t span) {
  return host.Now() +
         ((span * host.info().clock_mult) >> host.info().clock_shift);
}

void PassedDeadlines(Host& host) {
  const Host::Service service = host.Serve();
  const std::uint32_t caller = host.endpoint(1);
  host.Empty(host.endpoint(0));
  host.AwaitEnd(caller, host.Call(service, caller, "", 1), kDeadlineExceeded);
  host.AwaitEnd(caller, host.Call(service, caller, "", host.Now()),
                kDeadlineExceeded);
  host.Settle();
  Expect(!host.serve(host.endpoint(0)).HasMessage(), "no run", "a CALL");
}

void DeadlineInTheQueue(Host& host) {
  const Host::Service service = host.Serve();
  const std::uint32_t worker = host.endpoint(0);
  const std::uint32_t caller = host.endpoint(1);
  const std::uint64_t deadline = In(host, 20'000'000);
  const std::uint64_t made = host.Call(service, caller, "late", deadline);
  host.AwaitEnd(caller, made, kDeadlineExceeded);
  Expect(host.Now() >= deadline, "no end before the deadline", "an early one");
  host.Empty(worker);
  const std::uint64_t next = host.Call(service, caller, "next");
  const TakenMessage call = host.AwaitCall(worker);
  Expect(call.payload == "next", "no run after the deadline", call.payload);
  host.Reply(worker, call.header.call);
  host.AwaitEnd(caller, next, kOk);
}

// It was delivered, and nobody took it.
void DeadlineInTheLane(Host& host) {
  const Host::Pair pair = host.ServePair();
  const std::uint64_t made =
      host.Call(pair.service, pair.caller, "late", In(host, 20'000'000));
  host.AwaitEnd(pair.caller, made, kDeadlineExceeded);
  const std::uint64_t next = host.Call(pair.service, pair.caller, "next");
  TakenMessage call = host.AwaitCall(pair.worker);
  if (call.payload == "late") {
    // It may be left there, and its thread told so.
    ExpectFlag(host, call.header.call, LH_CALL_EXPIRED);
    host.Reply(pair.worker, call.header.call, "too late");
    call = host.AwaitCall(pair.worker);
  }
  Expect(call.payload == "next", "the next call", call.payload);
  host.Reply(pair.worker, call.header.call);
  host.AwaitEnd(pair.caller, next, kOk);
}

void DeadlineInTheHandler(Host& host) {
  const Host::Pair pair = host.ServePair();
  const std::uint64_t deadline = In(host, 50'000'000);
  const std::uint64_t made = host.Call(pair.service, pair.caller, "", deadline);
  const std::uint64_t call = host.AwaitCall(pair.worker).header.call;
  host.AwaitEnd(pair.caller, made, kDeadlineExceeded);
  Expect(host.Now() >= deadline, "no end before the deadline", "an early one");
  ExpectFlag(host, call, LH_CALL_EXPIRED);
  host.Reply(pair.worker, call, "too late");
  // The thread goes on, and its reply is nobody's.
  const std::uint64_t next = host.Call(pair.service, pair.caller);
  host.Reply(pair.worker, host.AwaitCall(pair.worker).header.call, "next");
  Expect(host.AwaitEnd(pair.caller, next, kOk).payload == "next",
         "the reply to the next call", "another");
}

void CancelledInTheHandler(Host& host) {
  const Host::Pair pair = host.ServeCall();
  // By another thread of the process.
  host.Say(host.call(host.endpoint(2)), LH_KIND_CANCEL, pair.made);
  host.AwaitEnd(pair.caller, pair.made, kCancelled);
  ExpectFlag(host, pair.arrived, LH_CALL_CANCELLED);
  host.Reply(pair.worker, pair.arrived, "for nobody");
  host.Settle();
  Expect(!host.call(pair.caller).HasMessage(), "one end of each call",
         "another");
  // Its end is known: a second CANCEL means nothing, to the next call, too.
  host.Say(host.call(pair.caller), LH_KIND_CANCEL, pair.made);
  const std::uint64_t next = host.Call(pair.service, pair.caller);
  host.Reply(pair.worker, host.AwaitCall(pair.worker).header.call);
  host.AwaitEnd(pair.caller, next, kOk);
}

void CancelledInTheQueue(Host& host) {
  const Host::Service service = host.Serve();
  const std::uint32_t worker = host.endpoint(0);
  const std::uint32_t caller = host.endpoint(1);
  const std::uint64_t made = host.Call(service, caller, "cancelled");
  host.Settle();
  host.Say(host.call(caller), LH_KIND_CANCEL, made);
  host.AwaitEnd(caller, made, kCancelled);
  const std::uint64_t next = host.Call(service, caller, "next");
  host.Empty(worker);
  TakenMessage call = host.AwaitCall(worker);
  if (call.payload == "cancelled") {
    // The word has not come to the server yet.
    host.Reply(worker, call.header.call);
    call = host.AwaitCall(worker);
  }
  host.Reply(worker, call.header.call);
  host.AwaitEnd(caller, next, kOk);
}

// The two come on different channels, and the wrong one first.
void CancelledBeforeItsCall(Host& host) {
  const Host::Pair pair = host.ServePair();
  const lh_message header = host.NewCall(pair.service);
  host.Say(host.call(host.endpoint(2)), LH_KIND_CANCEL, header.call);
  host.Settle();
  host.Put(host.call(pair.caller), header, "cancelled");
  host.AwaitEnd(pair.caller, header.call, kCancelled);
  // That one only.
  lh_message next = header;
  next.call += std::uint64_t{1} << 32;
  host.Put(host.call(pair.caller), next, "next");
  const TakenMessage call = host.AwaitCall(pair.worker);
  Expect(call.payload == "next", "the next call of that index", call.payload);
  host.Reply(pair.worker, call.header.call);
  host.AwaitEnd(pair.caller, next.call, kOk);
}

void CancelOutOfRange(Host& host) {
  const std::uint32_t endpoint = host.endpoint(0);
  const lh_process_layout& process = host.layout().process;
  const std::uint64_t calls[] = {
      lh_handle(process.call_first + process.call_count, 1), ~std::uint64_t{0},
      lh_handle(0, 12345)};
  for (const std::uint64_t call : calls) {
    host.Say(host.call(endpoint), LH_KIND_CANCEL, call);
    host.AwaitEnd(endpoint, host.CallNobody(endpoint), kInvalidArgument);
  }
}

void TheServerCancels(Host& host) {
  const Host::Pair pair = host.ServeCall();
  host.Say(host.call(pair.worker), LH_KIND_CANCEL, pair.arrived);
  host.AwaitEnd(pair.caller, pair.made, kCancelled);
  ExpectFlag(host, pair.arrived, LH_CALL_CANCELLED);
  host.Reply(pair.worker, pair.arrived, "for nobody");
  const std::uint64_t next = host.Call(pair.service, pair.caller);
  host.Reply(pair.worker, host.AwaitCall(pair.worker).header.call);
  host.AwaitEnd(pair.caller, next, kOk);
}

// A handler's own call, linked to the one that it serves. `inner` is served by
// another thread.
struct Nested {
  explicit Nested(Host& host, std::uint64_t deadline = 0)
      : service(host.Serve()),
        worker(host.endpoint(0)),
        caller(host.endpoint(1)),
        second(host.endpoint(2)) {
    host.Empty(worker);
    outer = host.Call(service, caller, "outer", deadline);
    served = host.AwaitCall(worker).header.call;
  }
  void Link(Host& host, const lh_message& call) const {
    lh_message link = {};
    link.kind = LH_KIND_LINK;
    link.call = call.call;
    link.data = served;
    host.Put(host.call(worker), link);
  }
  void MakeInner(Host& host) {
    host.Say(host.serve(worker), LH_KIND_LEAVE, served);
    host.Empty(second);
    inner = host.NewCall(service);
    Link(host, inner);
    host.Put(host.call(worker), inner, "inner");
    inner_served = host.AwaitCall(second).header.call;
  }

  Host::Service service;
  std::uint32_t worker;
  std::uint32_t caller;
  std::uint32_t second;
  std::uint64_t outer;
  std::uint64_t served;
  lh_message inner = {};
  std::uint64_t inner_served = 0;
};

void LinkedCallsAreCancelled(Host& host) {
  Nested nested(host);
  nested.MakeInner(host);
  host.Say(host.call(nested.caller), LH_KIND_CANCEL, nested.outer);
  host.AwaitEnd(nested.caller, nested.outer, kCancelled);
  host.AwaitEnd(nested.worker, nested.inner.call, kCancelled);
  ExpectFlag(host, nested.inner_served, LH_CALL_CANCELLED);
}

void LinkedCallsExpire(Host& host) {
  Nested nested(host, In(host, 300'000'000));
  nested.MakeInner(host);
  host.AwaitEnd(nested.caller, nested.outer, kDeadlineExceeded);
  host.AwaitEnd(nested.worker, nested.inner.call, kCancelled);
}

void LinkedCallsGoOnAfterAReply(Host& host) {
  Nested nested(host);
  nested.MakeInner(host);
  host.Reply(nested.worker, nested.served);
  host.AwaitEnd(nested.caller, nested.outer, kOk);
  host.Settle();
  Expect(!host.call(nested.worker).HasMessage(),
         "a call that goes on after that which it was made for", "its end");
  host.Reply(nested.second, nested.inner_served);
  host.AwaitEnd(nested.worker, nested.inner.call, kOk);
}

void LinksToWhatWasCancelled(Host& host) {
  Nested nested(host);
  host.Say(host.call(nested.caller), LH_KIND_CANCEL, nested.outer);
  host.AwaitEnd(nested.caller, nested.outer, kCancelled);
  ExpectFlag(host, nested.served, LH_CALL_CANCELLED);
  host.Empty(nested.second);
  nested.inner = host.NewCall(nested.service);
  nested.Link(host, nested.inner);
  host.Put(host.call(nested.worker), nested.inner);
  host.AwaitEnd(nested.worker, nested.inner.call, kCancelled);
  // A link to nothing means nothing.
  lh_message free = host.NewCall(nested.service);
  lh_message link = {};
  link.kind = LH_KIND_LINK;
  link.call = free.call;
  link.data = lh_handle(0, 54321);
  host.Put(host.call(nested.caller), link);
  host.Put(host.call(nested.caller), free);
  host.Reply(nested.second, host.AwaitCall(nested.second).header.call);
  host.AwaitEnd(nested.caller, free.call, kOk);
}

// A thread that answered one call, has another, and closes.
void ThreadsThatAreGone(Host& host) {
  const Host::Pair pair = host.ServePair();
  const std::uint64_t answered =
      host.Call(pair.service, pair.caller, "answered");
  const std::uint64_t first = host.AwaitCall(pair.worker).header.call;
  host.Empty(pair.worker);
  const std::uint64_t lost = host.Call(pair.service, pair.caller, "lost");
  host.AwaitCall(pair.worker);
  host.Reply(pair.worker, first, "in time");
  host.Until("lanes that can be closed", [&] {
    return host.serve(pair.worker).Close() && host.call(pair.worker).Close();
  });
  host.Reopen(pair.worker);
  Expect(host.AwaitEnd(pair.caller, answered, kOk).payload == "in time",
         "the reply that was put before the end of the thread", "another");
  const TakenMessage end = host.AwaitEnd(pair.caller, lost);
  Expect(end.header.code != kOk, "an error of a call whose thread is gone",
         "status 0");
  host.Settle();
  Expect(!host.call(pair.caller).HasMessage(), "one end of each call",
         "another");
}

void ThreadsThatDied(Host& host) {
  if (host.slots() < 3) throw NotApplicable{"lanes have two slots"};
  const Host::Service service = host.Serve();
  const std::uint32_t worker = host.endpoint(0);
  const std::uint32_t other = host.endpoint(1);
  const std::uint32_t caller = host.endpoint(2);
  HostChannel& serve = host.serve(worker);
  host.Empty(worker, 2);
  const std::uint64_t taken = host.Call(service, caller, "taken");
  lh_line* held = nullptr;
  host.AwaitHeld(serve, &held, "a CALL");
  const std::uint64_t left = host.Call(service, caller, "left");
  if (!host.Within([&] { return serve.HasMessage(); })) {
    throw NotApplicable{"it stages nothing behind a handler that runs"};
  }
  // An answer that its next thread is not to get.
  host.CallNobody(worker);
  host.Until("an answer", [&] { return host.call(worker).HasMessage(); });
  serve.CloseForTheDead();
  host.call(worker).CloseForTheDead();
  host.Reopen(worker);
  host.Empty(other);
  const TakenMessage call = host.AwaitCall(other);
  Expect(call.payload == "left", "what the thread had not taken", call.payload);
  Expect(host.AwaitEnd(caller, taken).header.code != kOk,
         "an error of a call whose thread has died", "status 0");
  host.Reply(other, call.header.call);
  host.AwaitEnd(caller, left, kOk);
  host.Close(other);
  host.Reopen(other);
  // The next thread goes on there, once around.
  host.Empty(worker);
  for (std::uint32_t round = 0; round <= host.slots(); ++round) {
    const std::uint64_t made = host.Call(service, caller);
    host.Reply(worker, host.AwaitCall(worker).header.call);
    host.AwaitEnd(caller, made, kOk);
    host.AwaitEnd(worker, host.CallNobody(worker), kInvalidArgument);
  }
}

void NobodyListens(Host& host) {
  // A port that was a server's, and is nobody's.
  const Host::Service service = host.Serve();
  const std::uint32_t caller = host.endpoint(1);
  lh_command_close close = {};
  close.server = service.server;
  host.Good(LH_COMMAND_SERVER_CLOSE, Bytes(close));
  const std::uint64_t peer = host.Connect(service.port);
  lh_message patient = host.NewCall({service.server, service.port, peer});
  patient.flags = LH_FLAG_WAIT_FOR_READY;
  host.Put(host.call(caller), patient);
  const std::uint64_t other = host.Call({0, 0, peer}, host.endpoint(2));
  host.AwaitEnd(host.endpoint(2), other, kUnavailable);
  host.Settle();
  Expect(!host.call(caller).HasMessage(),
         "a call that waits until its server is there", "its end");
  host.Say(host.call(caller), LH_KIND_CANCEL, patient.call);
  host.AwaitEnd(caller, patient.call, kCancelled);
}

constexpr Test kTests[] = {
    {"CALL-11", "a deadline that has passed ends the call at once",
     PassedDeadlines},
    {"CALL-11 CALL-23", "a deadline ends a call in the queue",
     DeadlineInTheQueue},
    {"CALL-11", "a deadline ends a call in a lane", DeadlineInTheLane},
    {"CALL-11 CALL-16 CALL-17", "a deadline ends a call in its handler",
     DeadlineInTheHandler},
    {"CALL-12 CALL-14 CALL-16 CALL-17",
     "CANCEL ends a call in its handler, and nothing after it",
     CancelledInTheHandler},
    {"CALL-12", "CANCEL ends a call in the queue", CancelledInTheQueue},
    {"CALL-13 CALL-14", "a CANCEL that comes first is remembered",
     CancelledBeforeItsCall},
    {"CALL-14 TRUST-3", "a CANCEL of nothing means nothing", CancelOutOfRange},
    {"CALL-15 CALL-16", "a process cancels a call that it serves",
     TheServerCancels},
    {"CALL-20", "a linked call is cancelled with its outer one",
     LinkedCallsAreCancelled},
    {"CALL-20", "and when that expires", LinkedCallsExpire},
    {"CALL-21", "and goes on when that is answered",
     LinkedCallsGoOnAfterAReply},
    {"CALL-22", "a link to a cancelled call cancels the CALL that follows",
     LinksToWhatWasCancelled},
    {"CALL-23 ENDPOINT-16 CONTROL-14",
     "a thread that is gone: its reply counts, its other call ends",
     ThreadsThatAreGone},
    {"ENDPOINT-17 CALL-23 SLOT-10",
     "one that died: what it had not taken goes to another, or nobody",
     ThreadsThatDied},
    {"CALL-23 CALL-26", "a call waits for its server only if it says so",
     NobodyListens},
};

}  // namespace

std::span<const Test> EndTests() { return kTests; }

}  // namespace lauberhorn::conformance
