// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// Control commands.

#include <cstring>
#include <vector>

#include "tests/conformance/kit/host.h"

namespace lauberhorn::conformance {
namespace {

void ExpectStatus(Host& host, std::uint64_t command, std::string_view payload,
                  std::uint64_t status) {
  ExpectEqual(host.Command(command, payload).header.code, status,
              "status of command " + Hex(command) + ":");
}

void AnswersEachOnce(Host& host) {
  const std::uint32_t endpoint = host.endpoint(0);
  HostChannel& channel = host.call(endpoint);
  for (std::uint32_t round = 0; round < 2 * host.slots(); ++round) {
    const std::uint64_t number =
        host.PutCommand(channel, LH_COMMAND_SERVER_OPEN, "");
    const TakenMessage result = host.Await(channel, "a RESULT");
    ExpectEqual(result.header.kind, LH_KIND_RESULT, "kind");
    ExpectEqual(result.header.call, number, "the number of the command");
    ExpectEqual(result.header.code, kOk, "status");
  }
  host.Settle();
  Expect(!channel.HasMessage(), "one RESULT for each command", "one more");
}

lh_command_peer_state PeerState(std::uint64_t peer, std::uint32_t known) {
  lh_command_peer_state command = {};
  command.peer = peer;
  command.known = known;
  return command;
}

void BearsTwoAtATime(Host& host) {
  const Host::Pair pair = host.ServeCall();
  HostChannel& channel = host.call(host.endpoint(2));
  // One that cannot be answered yet, and another meanwhile.
  lh_command_close close = {};
  close.server = pair.service.server;
  const std::uint64_t first =
      host.PutCommand(channel, LH_COMMAND_SERVER_CLOSE, Bytes(close));
  const std::uint64_t second =
      host.PutCommand(channel, LH_COMMAND_SERVER_OPEN, "");
  ExpectEqual(host.Await(channel, "the second RESULT").header.call, second,
              "the second command is answered first:");
  host.Reply(pair.worker, pair.arrived);
  ExpectEqual(host.Await(channel, "the first RESULT").header.call, first,
              "then the first:");
}

void UnknownCommands(Host& host) {
  for (const std::uint64_t command : {std::uint64_t{LH_COMMAND_NONE},
                                      std::uint64_t{999}, ~std::uint64_t{0}}) {
    ExpectStatus(host, command, "", kUnimplemented);
    ExpectStatus(host, command, std::string(100, 'x'), kUnimplemented);
  }
}

void MalformedCommands(Host& host) {
  const Host::Service service = host.Serve();
  struct {
    std::uint64_t command;
    std::size_t size;
    const char* rule;  // that a device without it leaves out
  } const commands[] = {
      {LH_COMMAND_SERVER_CLOSE, sizeof(lh_command_close), "CONTROL-7"},
      {LH_COMMAND_METHOD_ADD, sizeof(lh_command_method), ""},
      {LH_COMMAND_LISTEN, sizeof(lh_command_listen), ""},
      {LH_COMMAND_CONNECT, sizeof(lh_command_listen), ""},
      {LH_COMMAND_DISCONNECT, sizeof(lh_command_handle), "CONTROL-12"},
      {LH_COMMAND_ENDPOINT_REOPEN, sizeof(lh_command_handle), ""},
      {LH_COMMAND_ENDPOINT_RETIRE, sizeof(lh_command_handle), "CONTROL-15"},
      {LH_COMMAND_LIMITS, sizeof(lh_command_limits), "CONTROL-16"},
      {LH_COMMAND_METHOD_NAME, sizeof(lh_command_method_name), "CONTROL-17"},
      {LH_COMMAND_CALL_PEER, sizeof(lh_command_handle), "CONTROL-18"},
      {LH_COMMAND_PEER_STATE, sizeof(lh_command_peer_state), "CONTROL-19"},
  };
  for (const auto& command : commands) {
    if (host.IsWithout(command.rule)) continue;
    for (const std::size_t size : {std::size_t{0}, command.size - 1,
                                   command.size + 1, host.most_payload()}) {
      ExpectStatus(host, command.command, std::string(size, '\0'),
                   kInvalidArgument);
    }
  }
  // A name that is not as long as it says.
  lh_command_method method = {};
  method.server = service.server;
  method.name_length = 5;
  ExpectStatus(host, LH_COMMAND_METHOD_ADD, Bytes(method) + "four",
               kInvalidArgument);
  method.name_length = LH_METHOD_NAME_MAX + 1;
  ExpectStatus(host, LH_COMMAND_METHOD_ADD,
               Bytes(method) + std::string(LH_METHOD_NAME_MAX + 1, 'x'),
               kInvalidArgument);
}

void UnknownHandles(Host& host) {
  const Host::Service service = host.Serve();
  const std::uint64_t generation = std::uint64_t{1} << 32;
  for (const std::uint64_t wrong :
       {service.server + generation, service.server | 0xffff'ffff}) {
    lh_command_close close = {};
    close.server = wrong;
    if (!host.IsWithout("CONTROL-7")) {
      ExpectStatus(host, LH_COMMAND_SERVER_CLOSE, Bytes(close), kNotFound);
    }
    lh_command_listen listen = {};
    listen.server = wrong;
    listen.address = host.options().address;
    ExpectStatus(host, LH_COMMAND_LISTEN, Bytes(listen), kNotFound);
    std::uint64_t status = kOk;
    host.AddMethod(wrong, "/a.B/C", &status);
    ExpectEqual(status, kNotFound, "METHOD_ADD, status");
  }
  for (const std::uint64_t wrong :
       {service.peer + generation, service.peer | 0xffff'ffff}) {
    const lh_command_handle peer = {wrong};
    if (!host.IsWithout("CONTROL-12")) {
      ExpectStatus(host, LH_COMMAND_DISCONNECT, Bytes(peer), kNotFound);
    }
    if (!host.IsWithout("CONTROL-19")) {
      ExpectStatus(host, LH_COMMAND_PEER_STATE, Bytes(PeerState(wrong, 99)),
                   kNotFound);
    }
  }
  const std::uint64_t endpoint = host.HandleOf(host.endpoint(0)).handle;
  for (const std::uint64_t wrong :
       {endpoint + generation, endpoint | 0xffff'ffff}) {
    const lh_command_handle handle = {wrong};
    ExpectStatus(host, LH_COMMAND_ENDPOINT_REOPEN, Bytes(handle), kNotFound);
    if (!host.IsWithout("CONTROL-15")) {
      ExpectStatus(host, LH_COMMAND_ENDPOINT_RETIRE, Bytes(handle), kNotFound);
    }
  }
  const lh_command_handle call = {~std::uint64_t{0}};
  if (!host.IsWithout("CONTROL-18")) {
    ExpectStatus(host, LH_COMMAND_CALL_PEER, Bytes(call), kNotFound);
  }
}

void CommandsMayComeTwice(Host& host) {
  const Host::Service service = host.Serve();
  std::uint64_t status = kOk;
  host.AddMethod(service.server, Host::kMethodName, &status);
  ExpectEqual(status, kAlreadyExists, "METHOD_ADD again, status");
  if (!host.IsWithout("CONTROL-12")) {
    const lh_command_handle peer = {service.peer};
    ExpectStatus(host, LH_COMMAND_DISCONNECT, Bytes(peer), kOk);
    ExpectStatus(host, LH_COMMAND_DISCONNECT, Bytes(peer), kNotFound);
  }
  if (!host.IsWithout("CONTROL-7")) {
    lh_command_close close = {};
    close.server = service.server;
    ExpectStatus(host, LH_COMMAND_SERVER_CLOSE, Bytes(close), kOk);
    ExpectStatus(host, LH_COMMAND_SERVER_CLOSE, Bytes(close), kNotFound);
  }
  const std::uint32_t endpoint = host.endpoint(0);
  host.Close(endpoint);
  const lh_command_handle handle = host.HandleOf(endpoint);
  ExpectStatus(host, LH_COMMAND_ENDPOINT_REOPEN, Bytes(handle), kOk);
  ExpectStatus(host, LH_COMMAND_ENDPOINT_REOPEN, Bytes(handle),
               kFailedPrecondition);
}

void ClosesWhenCallsHaveEnded(Host& host) {
  const Host::Pair pair = host.ServeCall();
  HostChannel& closer = host.call(host.endpoint(2));
  lh_command_close close = {};
  close.server = pair.service.server;
  const std::uint64_t number =
      host.PutCommand(closer, LH_COMMAND_SERVER_CLOSE, Bytes(close));
  host.Settle();
  Expect(!closer.HasMessage(), "no RESULT of SERVER_CLOSE while a call runs",
         "there is one");
  // New calls are not run any more.
  host.AwaitEnd(pair.caller, host.Call(pair.service, pair.caller),
                kUnavailable);
  // Sent again, it is answered at once.
  ExpectStatus(host, LH_COMMAND_SERVER_CLOSE, Bytes(close), kAlreadyExists);
  host.Reply(pair.worker, pair.arrived, "the last");
  ExpectEqual(host.AwaitEnd(pair.caller, pair.made, kOk).payload.size(), 8,
              "bytes of the last reply:");
  const TakenMessage result = host.Await(closer, "the RESULT of SERVER_CLOSE");
  ExpectEqual(result.header.call, number, "the number of the command");
  ExpectEqual(result.header.code, kOk, "status");
}

void ClosesAtItsDeadline(Host& host) {
  const Host::Pair pair = host.ServeCall();
  HostChannel& closer = host.call(host.endpoint(2));
  lh_command_close close = {};
  close.server = pair.service.server;
  close.deadline = ~std::uint64_t{0} >> 1;
  host.PutCommand(closer, LH_COMMAND_SERVER_CLOSE, Bytes(close));
  // The earlier one counts.
  close.deadline = 1;
  host.PutCommand(closer, LH_COMMAND_SERVER_CLOSE, Bytes(close));
  ExpectEqual(host.Await(closer, "the RESULT of the second").header.code,
              kAlreadyExists, "status of SERVER_CLOSE again:");
  host.AwaitEnd(pair.caller, pair.made, kUnavailable);
  Expect(!closer.HasMessage(), "no RESULT of SERVER_CLOSE while a handler runs",
         "there is one");
  ExpectEqual(lh_handle_generation(host.CallWord(pair.arrived)),
              lh_handle_generation(pair.arrived),
              "generation of the call word");
  Expect(lh_handle_index(host.CallWord(pair.arrived)) != 0,
         "a call word that says that nobody waits", "no flag");
  host.Reply(pair.worker, pair.arrived);
  ExpectEqual(host.Await(closer, "the RESULT of SERVER_CLOSE").header.code, kOk,
              "status");
}

void OneIdOneMethod(Host& host) {
  const std::uint64_t server = host.OpenServer();
  lh_command_method method = {};
  method.server = server;
  method.method = 42;
  const auto named = [&](std::string_view name) {
    method.name_length = static_cast<std::uint16_t>(name.size());
    return Bytes(method) + std::string(name);
  };
  host.Good(LH_COMMAND_METHOD_ADD, named("/a.B/First"));
  const TakenMessage result =
      host.Command(LH_COMMAND_METHOD_ADD, named("/a.B/Second"));
  ExpectEqual(result.header.code, kAlreadyExists, "status");
  Expect(result.payload.find("/a.B/First") != std::string::npos &&
             result.payload.find("/a.B/Second") != std::string::npos,
         "a text with both names", result.payload);
}

void ListensWhereAsked(Host& host) {
  const std::uint64_t first = host.OpenServer();
  const std::uint16_t port = host.Listen(first);
  lh_command_listen listen = {};
  listen.server = host.OpenServer();
  listen.address = host.options().address;
  listen.address.port = port;
  Expect(host.Command(LH_COMMAND_LISTEN, Bytes(listen)).header.code != kOk,
         "an error of LISTEN where another listens", "none");
  if (host.IsWithout("CONTROL-7")) return;
  lh_command_close close = {};
  close.server = first;
  host.Good(LH_COMMAND_SERVER_CLOSE, Bytes(close));
  host.Listen(listen.server, port);
}

void DisconnectEndsCalls(Host& host) {
  const Host::Pair pair = host.ServeCall();
  const lh_command_handle peer = {pair.service.peer};
  host.Good(LH_COMMAND_DISCONNECT, Bytes(peer));
  host.AwaitEnd(pair.caller, pair.made, kCancelled);
  host.Reply(pair.worker, pair.arrived);
  host.Settle();
  Expect(!host.call(pair.caller).HasMessage(), "one end of each call",
         "another");
  host.AwaitEnd(pair.caller, host.Call(pair.service, pair.caller),
                kInvalidArgument);
}

void ReopenNeedsClosedLanes(Host& host) {
  const std::uint32_t endpoint = host.endpoint(0);
  const std::string handle = Bytes(host.HandleOf(endpoint));
  ExpectStatus(host, LH_COMMAND_ENDPOINT_REOPEN, handle, kFailedPrecondition);
  Expect(host.serve(endpoint).Close(), "a lane that can be closed", "not");
  ExpectStatus(host, LH_COMMAND_ENDPOINT_REOPEN, handle, kFailedPrecondition);
  ExpectEqual(lh_state(*host.serve(endpoint).next_word()), LH_CLOSED,
              "the lane that was closed, in state");
  Expect(host.call(endpoint).Close(), "a lane that can be closed", "not");
  ExpectStatus(host, LH_COMMAND_ENDPOINT_REOPEN, handle, kOk);
}

// What its last thread had asked for is not for the next one.
void ReopenForgetsItsLastThread(Host& host) {
  const Host::Pair pair = host.ServePair();
  host.Settle();
  host.Close(pair.worker);
  host.Good(LH_COMMAND_ENDPOINT_REOPEN, Bytes(host.HandleOf(pair.worker)));
  const std::uint64_t made = host.Call(pair.service, pair.caller);
  host.Settle();
  Expect(!host.serve(pair.worker).HasMessage(),
         "no CALL to a thread that has asked for none", "there is one");
  host.Empty(pair.worker);
  host.Reply(pair.worker, host.AwaitCall(pair.worker).header.call);
  host.AwaitEnd(pair.caller, made, kOk);
}

void Retires(Host& host) {
  const Host::Pair pair = host.ServePair();
  const std::string handle = Bytes(host.HandleOf(pair.worker));
  host.Good(LH_COMMAND_ENDPOINT_RETIRE, handle);
  ExpectEqual(host.Await(host.serve(pair.worker), "RETIRE").header.kind,
              LH_KIND_RETIRE, "kind");
  // Nothing follows it before the next EMPTY.
  const std::uint64_t made = host.Call(pair.service, pair.caller);
  host.Settle();
  Expect(!host.serve(pair.worker).HasMessage(), "nothing after RETIRE",
         "a message");
  host.Empty(pair.worker);
  const std::uint64_t arrived = host.AwaitCall(pair.worker).header.call;
  // While it has a call there is none, either.
  host.Good(LH_COMMAND_ENDPOINT_RETIRE, handle);
  host.Settle();
  Expect(!host.serve(pair.worker).HasMessage(),
         "no RETIRE to a thread that has a call", "a message");
  host.Reply(pair.worker, arrived);
  ExpectEqual(host.Await(host.serve(pair.worker), "RETIRE").header.kind,
              LH_KIND_RETIRE, "kind");
  host.AwaitEnd(pair.caller, made, kOk);
}

void LimitsAreNotZero(Host& host) {
  for (int which = 0; which < 3; ++which) {
    lh_command_limits limits = {};
    limits.running = which == 0 ? 0 : 1;
    limits.threads = which == 1 ? 0 : 1;
    limits.queued = which == 2 ? 0 : 1;
    ExpectStatus(host, LH_COMMAND_LIMITS, Bytes(limits), kInvalidArgument);
  }
}

void NamesAreTold(Host& host) {
  lh_command_method_name method = {};
  method.method = 42;
  const auto named = [&](std::string_view name) {
    method.name_length = static_cast<std::uint16_t>(name.size());
    return Bytes(method) + std::string(name);
  };
  ExpectStatus(host, LH_COMMAND_METHOD_NAME, named("/a.B/First"), kOk);
  ExpectStatus(host, LH_COMMAND_METHOD_NAME, named("/a.B/First"), kOk);
  const TakenMessage result =
      host.Command(LH_COMMAND_METHOD_NAME, named("/a.B/Second"));
  ExpectEqual(result.header.code, kAlreadyExists, "status");
  Expect(result.payload.find("/a.B/First") != std::string::npos &&
             result.payload.find("/a.B/Second") != std::string::npos,
         "a text with both names", result.payload);
}

void SaysWhereACallerIs(Host& host) {
  const Host::Pair pair = host.ServeCall();
  const lh_command_handle call = {pair.arrived};
  const TakenMessage result = host.Command(LH_COMMAND_CALL_PEER, Bytes(call));
  ExpectEqual(result.header.code, kOk, "status");
  ExpectEqual(result.payload.size(), sizeof(lh_address), "bytes of an address");
  lh_address address = {};
  std::memcpy(&address, result.payload.data(), sizeof(address));
  Expect(address.port != 0 && address.reserved == 0, "a port of the caller",
         "port " + Hex(address.port));
  host.Reply(pair.worker, call.handle);
  host.AwaitEnd(pair.caller, pair.made, kOk);
  ExpectStatus(host, LH_COMMAND_CALL_PEER, Bytes(call), kNotFound);
}

void SaysHowASessionIs(Host& host) {
  const Host::Service service = host.Serve();
  HostChannel& asker = host.call(host.endpoint(0));
  // At once, if what the process knows is no state.
  ExpectEqual(
      host.Good(LH_COMMAND_PEER_STATE, Bytes(PeerState(service.peer, 99))),
      LH_PEER_IDLE, "state");
  // At the deadline, if nothing changes.
  lh_command_peer_state wait = PeerState(service.peer, LH_PEER_IDLE);
  wait.deadline = 1;
  ExpectEqual(host.Good(LH_COMMAND_PEER_STATE, Bytes(wait)), LH_PEER_IDLE,
              "state");
  // When it changes; and it does, because somebody wants it.
  std::uint32_t known = LH_PEER_IDLE;
  for (int changes = 0; known != LH_PEER_READY; ++changes) {
    Expect(changes < 8, "a session that becomes READY", "state " + Hex(known));
    lh_command_peer_state connect = PeerState(service.peer, known);
    connect.flags = LH_PEER_STATE_CONNECT;
    host.PutCommand(asker, LH_COMMAND_PEER_STATE, Bytes(connect));
    const TakenMessage result = host.Await(asker, "the RESULT of PEER_STATE");
    ExpectEqual(result.header.code, kOk, "status");
    Expect(result.header.data != known && result.header.data <= LH_PEER_FAILED,
           "another state than " + Hex(known), Hex(result.header.data));
    known = static_cast<std::uint32_t>(result.header.data);
  }
}

constexpr Test kTests[] = {
    {"CONTROL-1", "each command is answered once, by its number",
     AnswersEachOnce},
    {"CONTROL-2 CONTROL-7", "two commands of a channel may be in work",
     BearsTwoAtATime},
    {"CONTROL-3", "an unknown command is UNIMPLEMENTED", UnknownCommands},
    {"CONTROL-4", "a malformed command is INVALID_ARGUMENT", MalformedCommands},
    {"CONTROL-5", "a handle of nothing is NOT_FOUND", UnknownHandles},
    {"CONTROL-6", "commands may come twice", CommandsMayComeTwice},
    {"CONTROL-6 CONTROL-7 CONTROL-8",
     "a server is closed when its calls have ended", ClosesWhenCallsHaveEnded},
    {"CONTROL-9", "a closing server's calls end at the deadline",
     ClosesAtItsDeadline},
    {"CONTROL-10", "two methods of one id are refused by name", OneIdOneMethod},
    {"CONTROL-11", "LISTEN says the port, which is that server's alone",
     ListensWhereAsked},
    {"CONTROL-12", "DISCONNECT cancels the calls of the peer",
     DisconnectEndsCalls},
    {"CONTROL-13", "only closed endpoints are reopened",
     ReopenNeedsClosedLanes},
    {"CONTROL-14 ENDPOINT-3", "a reopened endpoint has no old EMPTY",
     ReopenForgetsItsLastThread},
    {"CONTROL-15 ENDPOINT-11 ENDPOINT-12",
     "RETIRE comes when the thread has nothing, and nothing after it", Retires},
    {"CONTROL-16", "limits of 0 are refused", LimitsAreNotZero},
    {"CONTROL-17", "two names of one id are refused by name", NamesAreTold},
    {"CONTROL-18", "CALL_PEER says where the caller is", SaysWhereACallerIs},
    {"CONTROL-19 CONTROL-20", "PEER_STATE follows the session, and opens it",
     SaysHowASessionIs},
};

}  // namespace

std::span<const Test> ControlTests() { return kTests; }

}  // namespace lauberhorn::conformance
