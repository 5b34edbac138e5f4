// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// Calls from one end to the other, and what is refused.

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "tests/conformance/kit/host.h"

namespace lauberhorn::conformance {
namespace {

std::string Random(std::mt19937_64& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

void ArrivesAsRegistered(Host& host) {
  const Host::Pair pair = host.ServePair();
  const std::uint64_t deadline = host.Now() + (std::uint64_t{1} << 40);
  const std::uint64_t made =
      host.Call(pair.service, pair.caller, "request", deadline);
  const TakenMessage call = host.AwaitCall(pair.worker);
  ExpectEqual(call.header.code, Host::kCode, "code");
  ExpectEqual(call.header.data, Host::kData, "data");
  ExpectEqual(call.header.aux, Host::kIndex, "aux");
  Expect(call.header.deadline != 0 &&
             call.header.deadline < host.Now() + (std::uint64_t{1} << 41),
         "the caller's deadline", Hex(call.header.deadline));
  Expect((call.header.flags & ~(LH_FLAG_META | LH_FLAG_GROW)) == 0,
         "no flags but META and GROW", Hex(call.header.flags));
  ExpectEqual(host.CallWord(call.header.call),
              lh_handle(0, lh_handle_generation(call.header.call)),
              "the call word:");
  host.Reply(pair.worker, call.header.call, "reply");
  host.AwaitEnd(pair.caller, made, kOk);
}

void CarriesEveryLength(Host& host) {
  const Host::Pair pair = host.ServePair();
  std::mt19937_64 random(host.options().seed);
  std::vector<std::size_t> sizes;
  for (std::size_t size = 0; size <= 2 * LH_LINE_SIZE; ++size) {
    sizes.push_back(size);
  }
  for (std::size_t back = 0; back < 8; ++back) {
    sizes.push_back(host.most_payload() - back);
  }
  for (int some = 0; some < 64; ++some) {
    sizes.push_back(random() % (host.most_payload() + 1));
  }
  // A packet names the method until the peer has confirmed it, and then does
  // not.
  for (const std::size_t size : sizes) {
    const std::string request = Random(random, size);
    const std::uint64_t made = host.Call(pair.service, pair.caller, request);
    const TakenMessage call = host.AwaitCall(pair.worker);
    Expect(call.payload == request, "a request of " + Hex(size) + " bytes",
           "other bytes, " + Hex(call.payload.size()));
    const std::string reply = Random(random, sizes[random() % sizes.size()]);
    host.Reply(pair.worker, call.header.call, reply, size % 17);
    const TakenMessage end = host.AwaitEnd(pair.caller, made, size % 17);
    Expect(end.payload == reply, "a reply of " + Hex(reply.size()) + " bytes",
           "other bytes, " + Hex(end.payload.size()));
  }
}

std::string WithMeta(std::string_view meta, std::string_view payload) {
  return Bytes(static_cast<std::uint32_t>(meta.size())) + std::string(meta) +
         std::string(payload);
}

void CarriesMetadata(Host& host) {
  const Host::Pair pair = host.ServePair();
  std::mt19937_64 random(host.options().seed);
  for (const std::size_t size : {1u, 40u, 76u, 77u, 200u, 500u}) {
    const std::string request =
        WithMeta(Random(random, size), Random(random, 300));
    lh_message header = host.NewCall(pair.service);
    header.flags = LH_FLAG_META;
    host.Put(host.call(pair.caller), header, request);
    const TakenMessage call = host.AwaitCall(pair.worker);
    Expect((call.header.flags & LH_FLAG_META) != 0 && call.payload == request,
           "the caller's metadata and bytes", "other ones");
    const std::string answer = WithMeta(Random(random, size), "reply");
    lh_message reply = {};
    reply.kind = LH_KIND_REPLY;
    reply.call = call.header.call;
    reply.flags = LH_FLAG_META;
    host.Put(host.serve(pair.worker), reply, answer);
    const TakenMessage end = host.AwaitEnd(pair.caller, header.call, kOk);
    Expect((end.header.flags & LH_FLAG_META) != 0 && end.payload == answer,
           "the server's metadata and bytes", "other ones");
  }
}

void AnswersWhereAsked(Host& host) {
  const Host::Pair pair = host.ServePair();
  const std::uint32_t queue = host.endpoint(2);
  lh_message header = host.NewCall(pair.service);
  header.aux = static_cast<std::uint16_t>(queue + 1);
  host.Put(host.call(pair.caller), header);
  host.Reply(pair.worker, host.AwaitCall(pair.worker).header.call);
  host.AwaitEnd(queue, header.call, kOk);
  header = host.NewCall(pair.service);
  host.Put(host.call(pair.caller), header);
  host.Reply(pair.worker, host.AwaitCall(pair.worker).header.call);
  host.AwaitEnd(pair.caller, header.call, kOk);
  Expect(!host.call(queue).HasMessage(), "one answer", "a second elsewhere");
}

// The channel goes on: what was put after it is answered, and that alone.
void ExpectRefused(Host& host, std::uint32_t endpoint, const lh_message& header,
                   std::string_view payload = "",
                   bool length_as_given = false) {
  host.Put(host.call(endpoint), header, payload, length_as_given);
  host.AwaitEnd(endpoint, host.CallNobody(endpoint), kInvalidArgument);
}

void RefusesWhatIsOutOfRange(Host& host) {
  const Host::Pair pair = host.ServePair();
  const lh_process_layout& process = host.layout().process;
  for (const std::uint64_t index :
       {std::uint64_t{process.call_first} + process.call_count,
        std::uint64_t{0xffff'ffff}}) {
    lh_message header = host.NewCall(pair.service);
    header.call = index | std::uint64_t{7} << 32;
    ExpectRefused(host, pair.caller, header);
  }
  if (process.call_first > 0) {
    lh_message header = host.NewCall(pair.service);
    header.call = lh_handle(process.call_first - 1, 7);
    ExpectRefused(host, pair.caller, header);
  }
  lh_message header = host.NewCall(pair.service);
  header.aux = static_cast<std::uint16_t>(
      std::min<std::uint32_t>(host.endpoints() + 1, 0xffff));
  ExpectRefused(host, pair.caller, header);
  Expect(!host.serve(pair.worker).HasMessage(), "none of them to run", "one");
}

void RefusesOneThatIsOpen(Host& host) {
  const Host::Pair pair = host.ServePair();
  lh_message header = host.NewCall(pair.service);
  host.Put(host.call(pair.caller), header, "first");
  const TakenMessage call = host.AwaitCall(pair.worker);
  ExpectRefused(host, pair.caller, header, "again");
  lh_message later = header;
  later.call += std::uint64_t{1} << 32;
  ExpectRefused(host, pair.caller, later, "later");
  host.Reply(pair.worker, call.header.call, "to the first");
  Expect(host.AwaitEnd(pair.caller, header.call, kOk).payload == "to the first",
         "the call that was open to go on", "another reply");
  host.Settle();
  Expect(!host.serve(pair.worker).HasMessage() &&
             !host.call(pair.caller).HasMessage(),
         "nothing of what was refused", "a message");
  // Its number is free now.
  host.Put(host.call(pair.caller), later, "later");
  host.Reply(pair.worker, host.AwaitCall(pair.worker).header.call);
  host.AwaitEnd(pair.caller, later.call, kOk);
}

void AnswersUnknownPeers(Host& host) {
  const Host::Pair pair = host.ServePair();
  for (const std::uint64_t peer :
       {~std::uint64_t{0}, pair.service.peer + (std::uint64_t{1} << 32)}) {
    lh_message header = host.NewCall(pair.service);
    header.data = peer;
    host.Put(host.call(pair.caller), header);
    const TakenMessage end =
        host.AwaitEnd(pair.caller, header.call, kInvalidArgument);
    Expect(!end.payload.empty(), "a text that says why", "none");
  }
}

void AnswersUnknownMethods(Host& host) {
  const Host::Pair pair = host.ServePair();
  lh_message header = host.NewCall(pair.service);
  header.code = MethodId("/no.Such/Method");
  host.Put(host.call(pair.caller), header);
  host.AwaitEnd(pair.caller, header.call, kUnimplemented);
}

// Two names with one id: the caller's is not run as the server's.
void RunsNoMethodOfAnotherName(Host& host) {
  const Host::Pair pair = host.ServePair();
  lh_command_method_name method = {};
  method.method = MethodId(Host::kMethodName);
  constexpr std::string_view kOther = "/another.Name/OfThisId";
  method.name_length = kOther.size();
  host.Good(LH_COMMAND_METHOD_NAME, Bytes(method) + std::string(kOther));
  const std::uint64_t made = host.Call(pair.service, pair.caller);
  host.AwaitEnd(pair.caller, made, kUnimplemented);
  Expect(!host.serve(pair.worker).HasMessage(), "no handler to run", "a CALL");
}

// As many calls as there are numbers, to several threads, which answer in any
// order; what is BUSY is put again.
void ManyAtATime(Host& host) {
  const Host::Service service = host.Serve();
  std::mt19937_64 random(host.options().seed);
  const std::uint32_t workers[] = {host.endpoint(0), host.endpoint(1)};
  const std::uint32_t caller = host.endpoint(2);
  for (const std::uint32_t worker : workers) {
    host.Empty(worker, static_cast<std::uint16_t>(host.slots() - 1));
  }
  const std::uint32_t calls =
      std::min<std::uint32_t>(host.layout().process.call_count, 256);
  std::map<std::uint64_t, lh_message> open;
  std::vector<lh_message> to_put;
  for (std::uint32_t number = 0; number < calls; ++number) {
    lh_message header = host.NewCall(service);
    open[header.call] = header;
    to_put.push_back(header);
  }
  std::set<std::string> ran;
  std::map<std::uint32_t, std::vector<TakenMessage>> held;
  std::uint64_t busy = 0;
  const auto turn = [&] {
    if (!to_put.empty()) {
      const lh_message header = to_put.back();
      to_put.pop_back();
      host.Put(host.call(caller), header, Bytes(header.call));
    }
    for (const std::uint32_t worker : workers) {
      TakenMessage call;
      host.BeforeSleep(host.serve(worker));
      while (host.serve(worker).Take(&call)) {
        Expect(
            call.header.kind == LH_KIND_CALL && ran.insert(call.payload).second,
            "each call to run once", "one that ran already");
        held[worker].push_back(call);
      }
      std::shuffle(held[worker].begin(), held[worker].end(), random);
      if (!held[worker].empty() && random() % 2 == 0) {
        host.Reply(worker, held[worker].back().header.call,
                   held[worker].back().payload);
        held[worker].pop_back();
      }
    }
    TakenMessage end;
    host.BeforeSleep(host.call(caller));
    while (host.call(caller).Take(&end)) {
      const auto known = open.find(end.header.call);
      Expect(known != open.end(), "one end of each call", "another");
      if (end.header.kind == LH_KIND_BUSY) {
        Expect(ran.count(Bytes(end.header.call)) == 0,
               "no run of a call that is BUSY", "it ran");
        ++busy;
        to_put.insert(to_put.begin(), known->second);
        continue;
      }
      Expect(end.header.kind == LH_KIND_REPLY && end.header.code == kOk &&
                 end.payload == Bytes(end.header.call),
             "the reply to this call", "another");
      open.erase(known);
    }
    return open.empty();
  };
  host.Until("the ends of " + Hex(calls) + " calls", turn);
  ExpectEqual(ran.size(), calls, "calls that ran:");
  host.Settle();
  Expect(!host.call(caller).HasMessage(), "one end of each call", "another");
}

// More than the device has places for: BUSY, which is no end.
void BusyCallsAreAcceptedLater(Host& host) {
  const Host::Pair pair = host.ServePair();
  const std::uint32_t count = host.layout().process.call_count;
  std::vector<lh_message> calls;
  std::vector<lh_message> busy;
  for (std::uint32_t number = 0; number < count; ++number) {
    calls.push_back(host.NewCall(pair.service));
    host.Put(host.call(pair.caller), calls.back());
    TakenMessage answer;
    while (host.call(pair.caller).Take(&answer)) {
      ExpectEqual(answer.header.kind, LH_KIND_BUSY, "kind");
      for (const lh_message& call : calls) {
        if (call.call == answer.header.call) busy.push_back(call);
      }
    }
  }
  host.Settle();
  for (TakenMessage answer; host.call(pair.caller).Take(&answer);) {
    ExpectEqual(answer.header.kind, LH_KIND_BUSY, "kind");
    for (const lh_message& call : calls) {
      if (call.call == answer.header.call) busy.push_back(call);
    }
  }
  if (busy.empty()) {
    throw NotApplicable{"it has a place for each of the process's calls"};
  }
  // A deadline that has passed is an end, busy or not.
  lh_message late = busy.back();
  late.deadline = 1;
  host.Put(host.call(pair.caller), late);
  host.AwaitEnd(pair.caller, late.call, kDeadlineExceeded);
  lh_message again = busy.front();
  for (std::uint32_t ends = 0; ends < count - busy.size(); ++ends) {
    host.Reply(pair.worker, host.AwaitCall(pair.worker).header.call);
    const TakenMessage end = host.Await(host.call(pair.caller), "an end");
    ExpectEqual(end.header.kind, LH_KIND_REPLY, "kind");
  }
  if (busy.size() > 1) {
    host.Put(host.call(pair.caller), again, "again");
    const TakenMessage call = host.AwaitCall(pair.worker);
    Expect(call.payload == "again", "the call that was put again", "another");
    host.Reply(pair.worker, call.header.call);
    host.AwaitEnd(pair.caller, again.call, kOk);
  }
}

void RefusesWhatIsMalformed(Host& host) {
  const Host::Pair pair = host.ServePair();
  lh_message header = {};
  const auto fresh = [&] { header = host.NewCall(pair.service); };
  for (const std::uint8_t kind :
       {LH_KIND_NONE, LH_KIND_REPLY, LH_KIND_RETIRE, LH_KIND_EMPTY,
        LH_KIND_LEAVE, LH_KIND_DATA, LH_KIND_RECV, LH_KIND_CREDIT, LH_KIND_BUSY,
        LH_KIND_RESULT, LH_KIND_RUN, LH_KIND_ANSWER, LH_KIND_QUARANTINED,
        LH_KIND_DECODED_FIRST}) {
    fresh();
    header.kind = kind;
    ExpectRefused(host, pair.caller, header);
  }
  fresh();
  header.kind = 255;
  ExpectRefused(host, pair.caller, header);
  for (const unsigned flag : {0x20u, 0x40u, 0x80u}) {
    fresh();
    header.flags = static_cast<__u8>(flag);
    ExpectRefused(host, pair.caller, header);
  }
  for (const std::uint32_t length :
       {static_cast<std::uint32_t>(host.most()) + 1, 0x8000'0000u, ~0u}) {
    fresh();
    header.length = length;
    ExpectRefused(host, pair.caller, header, "", true);
  }
  // Metadata that is longer than the payload.
  for (const std::uint32_t size : {1u, 1000u, ~0u}) {
    fresh();
    header.flags = LH_FLAG_META;
    ExpectRefused(host, pair.caller, header, Bytes(size));
  }
  fresh();
  header.flags = LH_FLAG_META;
  ExpectRefused(host, pair.caller, header, "xyz");
  if (host.layout().process.arena_size == 0) {
    fresh();
    header.flags = LH_FLAG_BULK;
    lh_bulk bulk = {};
    bulk.length = 100;
    ExpectRefused(host, pair.caller, header, Bytes(bulk));
  }
  host.Settle();
  Expect(!host.serve(pair.worker).HasMessage(), "none of them to run", "one");
  ExpectEqual(lh_load_acquire(&host.call_state(pair.caller).quarantine), 0,
              "after a few mistakes, quarantine still");
}

// A reply that is wrong like this, and then the payload.
void ExpectInternal(Host& host, const Host::Pair& pair, const lh_message& how,
                    std::string_view payload) {
  const std::uint64_t made = host.Call(pair.service, pair.caller);
  lh_message reply = how;
  reply.kind = LH_KIND_REPLY;
  reply.call = host.AwaitCall(pair.worker).header.call;
  host.Put(host.serve(pair.worker), reply, payload);
  host.AwaitEnd(pair.caller, made, kInternal);
}

void WrongStatusesAreInternal(Host& host) {
  const Host::Pair pair = host.ServePair();
  lh_message reply = {};
  reply.code = 17;
  ExpectInternal(host, pair, reply, "");
  reply.code = ~std::uint64_t{0};
  ExpectInternal(host, pair, reply, "text");
}

void LyingMetadataIsInternal(Host& host) {
  const Host::Pair pair = host.ServePair();
  lh_message reply = {};
  reply.flags = LH_FLAG_META;
  ExpectInternal(host, pair, reply, Bytes(std::uint32_t{1000}) + "less");
  ExpectInternal(host, pair, reply, "xyz");
}

// Nobody but who has a call answers it, and once.
void OnlyItsThreadAnswers(Host& host) {
  const Host::Pair pair = host.ServeCall();
  const std::uint32_t other = host.endpoint(2);
  const std::uint64_t call = pair.arrived;
  host.Reply(other, call, "of another endpoint");
  host.Reply(pair.worker, call + (std::uint64_t{1} << 32), "of the next call");
  host.Reply(pair.worker, call | 0xffff'ffff, "of no call");
  host.Reply(pair.worker, call, "right");
  Expect(host.AwaitEnd(pair.caller, pair.made, kOk).payload == "right",
         "the reply of the thread that has the call", "another");
  host.Reply(pair.worker, call, "a second time");
  host.Settle();
  Expect(!host.call(pair.caller).HasMessage(), "one end of each call",
         "another");
}

constexpr Test kTests[] = {
    {"CALL-7 CALL-16 TRUST-1", "a call comes as its method was registered",
     ArrivesAsRegistered},
    {"CALL-6", "requests and replies of every length, all statuses",
     CarriesEveryLength},
    {"CALL-6", "metadata goes both ways", CarriesMetadata},
    {"CALL-5", "the answer comes where it was asked for", AnswersWhereAsked},
    {"CALL-2 TRUST-3", "calls out of range are refused",
     RefusesWhatIsOutOfRange},
    {"CALL-3 TRUST-3", "the number of an open call is refused",
     RefusesOneThatIsOpen},
    {"CALL-8 CALL-28", "a call to an unknown peer is INVALID_ARGUMENT",
     AnswersUnknownPeers},
    {"CALL-4", "a call of an unknown method is UNIMPLEMENTED",
     AnswersUnknownMethods},
    {"CALL-24", "a method of another name does not run",
     RunsNoMethodOfAnotherName},
    {"CALL-4 ENDPOINT-1 ENDPOINT-2 ENDPOINT-4 ENDPOINT-6",
     "of many calls at a time each runs and ends once", ManyAtATime},
    {"CALL-9 CALL-10", "a BUSY call is accepted later",
     BusyCallsAreAcceptedLater},
    {"TRUST-2 TRUST-3 CALL-27", "what is malformed is refused",
     RefusesWhatIsMalformed},
    {"CALL-19", "a reply with no status ends its call with INTERNAL",
     WrongStatusesAreInternal},
    {"CALL-19", "and one whose metadata is longer than itself",
     LyingMetadataIsInternal},
    {"CALL-18", "only the thread that has a call answers it, once",
     OnlyItsThreadAnswers},
};

}  // namespace

std::span<const Test> CallTests() { return kTests; }

}  // namespace lauberhorn::conformance
