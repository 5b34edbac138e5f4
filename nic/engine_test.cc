// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Two engines, a network between them, and the threads of both processes, all
// driven by one thread in simulated time: the same seed gives the same run.

#include "nic/engine.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "abi/host/control.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nic/testing/host_side.h"
#include "nic/testing/memory_wire.h"

namespace lauberhorn::nic {
namespace {

using ::testing::HasSubstr;
using testing::HostChannel;
using testing::MemoryNetwork;
using testing::RecordingWaker;
using testing::RegionMemory;
using testing::TakenMessage;
using testing::TestAddress;

constexpr std::uint16_t kPort = 50051;
constexpr std::uint64_t kMethod = 7;
constexpr std::uint64_t kCode = 0x1234;
constexpr std::uint64_t kData = 0x5678;
constexpr std::uint16_t kIndex = 9;
constexpr std::uint64_t kUnimplemented = 12;

RegionOptions SmallRegion() {
  RegionOptions options;
  options.endpoints = 6;
  options.arrived_calls = 64;
  options.own_calls = 64;
  return options;
}

template <typename Command>
std::string Payload(const Command& command) {
  return {reinterpret_cast<const char*>(&command), sizeof(command)};
}

// A process and its NIC.
class Node {
 public:
  Node(MemoryNetwork& network, std::uint8_t host, std::uint8_t secret,
       std::uint32_t calls = SmallRegion().own_calls)
      : memory_(SmallRegion()),
        region_(SmallRegion(), memory_.bytes()),
        wires_(network.Host(TestAddress(host))) {
    EngineOptions options;
    options.secret.fill(secret);
    options.calls = calls;
    engine_ = std::make_unique<Engine>(options, region_, *wires_, waker_);
    region_.Ready();
    for (std::uint32_t endpoint = 0; endpoint < SmallRegion().endpoints;
         ++endpoint) {
      serve_.emplace_back(region_.base(), endpoint, Which::kServe);
      call_.emplace_back(region_.base(), endpoint, Which::kCall);
    }
  }

  Engine& engine() { return *engine_; }
  Region& region() { return region_; }
  HostChannel& serve(std::size_t endpoint) { return serve_[endpoint]; }
  HostChannel& call(std::size_t endpoint) { return call_[endpoint]; }

  // A control command and its result, at time `now`.
  lh_message Control(Nanos now, lh_command command, absl::string_view payload,
                     std::string* text = nullptr) {
    lh_message header = {};
    header.kind = LH_KIND_CONTROL;
    header.code = command;
    header.call = ++command_;
    EXPECT_TRUE(call(0).Put(header, payload));
    TakenMessage result = {};
    for (int turn = 0; turn < 3 && !call(0).Take(&result); ++turn) {
      engine_->Poll(now);
    }
    EXPECT_EQ(result.header.kind, LH_KIND_RESULT);
    EXPECT_EQ(result.header.call, command_);
    if (text != nullptr) *text = result.payload;
    return result.header;
  }

  void Serve(Nanos now) {
    const lh_message server = Control(now, LH_COMMAND_SERVER_OPEN, "");
    server_ = server.data;
    lh_command_method method = {};
    method.server = server_;
    method.method = kMethod;
    method.code = kCode;
    method.data = kData;
    method.index = kIndex;
    method.name_length = 4;
    EXPECT_EQ(
        Control(now, LH_COMMAND_METHOD_ADD, Payload(method) + "/a/B").code, 0u);
    lh_command_listen listen = {};
    listen.server = server_;
    listen.address = TestAddress(1, kPort).raw();
    EXPECT_EQ(Control(now, LH_COMMAND_LISTEN, Payload(listen)).data, kPort);
  }

  std::uint64_t Connect(Nanos now) {
    lh_command_listen connect = {};
    connect.address = TestAddress(1, kPort).raw();
    return Control(now, LH_COMMAND_CONNECT, Payload(connect)).data;
  }

  // The status of the command that names a method.
  std::uint64_t NameMethod(Nanos now, std::uint64_t id, absl::string_view name,
                           std::string* text = nullptr) {
    lh_command_method_name method = {};
    method.method = id;
    method.name_length = static_cast<__u16>(name.size());
    return Control(now, LH_COMMAND_METHOD_NAME,
                   absl::StrCat(Payload(method), name), text)
        .code;
  }

  std::uint64_t server() const { return server_; }

  // Says that the endpoint's thread takes one call.
  void Wait(std::size_t endpoint) {
    lh_message header = {};
    header.kind = LH_KIND_EMPTY;
    header.aux = 1;
    EXPECT_TRUE(serve(endpoint).Put(header));
  }

 private:
  RegionMemory memory_;
  Region region_;
  std::unique_ptr<WireFactory> wires_;
  RecordingWaker waker_;
  std::unique_ptr<Engine> engine_;
  std::vector<HostChannel> serve_;
  std::vector<HostChannel> call_;
  std::uint64_t command_ = 0;
  std::uint64_t server_ = 0;
};

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() {
    server_->Serve(now_);
    peer_ = client_->Connect(now_);
  }

  // One turn of everything; time goes on to the next thing that is due.
  void Step() {
    network_.Advance(now_);
    Nanos next = network_.Next();
    if (client_ != nullptr) {
      next = std::min(next, client_->engine().Poll(now_));
    }
    if (server_ != nullptr) {
      next = std::min(next, server_->engine().Poll(now_));
    }
    if (next != kNever) now_ = std::max(now_ + 1, next);
  }

  // A call number: index of the process's own range, and a generation.
  std::uint64_t Handle(std::uint32_t index, std::uint32_t generation = 1) {
    return lh_handle(SmallRegion().arrived_calls + index, generation);
  }

  bool PutCall(std::uint64_t handle, absl::string_view request,
               Nanos deadline = 0, std::size_t endpoint = 1) {
    lh_message header = {};
    header.kind = LH_KIND_CALL;
    header.call = handle;
    header.code = kMethod;
    header.data = peer_;
    header.deadline = deadline;
    return client_->call(endpoint).Put(header, request);
  }

  bool PutCancel(Node& node, std::size_t endpoint, std::uint64_t call) {
    lh_message header = {};
    header.kind = LH_KIND_CANCEL;
    header.call = call;
    return node.call(endpoint).Put(header);
  }

  bool PutClose(std::size_t endpoint, std::uint64_t command,
                Nanos deadline = 0) {
    lh_message header = {};
    header.kind = LH_KIND_CONTROL;
    header.code = LH_COMMAND_SERVER_CLOSE;
    header.call = command;
    lh_command_close close;
    close.server = server_->server();
    close.deadline = deadline;
    return server_->call(endpoint).Put(header, Payload(close));
  }

  bool PutReply(Node& node, std::size_t endpoint, std::uint64_t call,
                absl::string_view reply) {
    lh_message header = {};
    header.kind = LH_KIND_REPLY;
    header.call = call;
    return node.serve(endpoint).Put(header, reply);
  }

  // Steps until a message comes on the channel.
  TakenMessage Await(HostChannel& channel) {
    TakenMessage message = {};
    for (int step = 0; step < 100000 && !channel.Take(&message); ++step) Step();
    EXPECT_NE(message.header.kind, LH_KIND_NONE) << "nothing came";
    return message;
  }

  Nanos now_ = kSecond;
  MemoryNetwork network_{1};
  std::unique_ptr<Node> server_ = std::make_unique<Node>(network_, 1, 1);
  std::unique_ptr<Node> client_ = std::make_unique<Node>(network_, 2, 2);
  std::uint64_t peer_ = 0;
};

TEST_F(EngineTest, ACallGoesThereAndBack) {
  server_->Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "request", now_ + 5 * kSecond));
  const TakenMessage call = Await(server_->serve(2));
  EXPECT_EQ(call.header.kind, LH_KIND_CALL);
  EXPECT_EQ(call.header.code, kCode);
  EXPECT_EQ(call.header.data, kData);
  EXPECT_EQ(call.header.aux, kIndex);
  EXPECT_GT(call.header.deadline, now_);
  EXPECT_EQ(call.payload, "request");
  ASSERT_TRUE(PutReply(*server_, 2, call.header.call, "reply"));
  const TakenMessage reply = Await(client_->call(1));
  EXPECT_EQ(reply.header.kind, LH_KIND_REPLY);
  EXPECT_EQ(reply.header.call, Handle(0));
  EXPECT_EQ(reply.header.code, 0u);
  EXPECT_EQ(reply.payload, "reply");
}

TEST_F(EngineTest, AnswersGoWhereTheCallSaid) {
  server_->Wait(2);
  lh_message header = {};
  header.kind = LH_KIND_CALL;
  header.call = Handle(3);
  header.code = kMethod;
  header.data = peer_;
  header.aux = 5;  // endpoint 4
  ASSERT_TRUE(client_->call(1).Put(header));
  const TakenMessage call = Await(server_->serve(2));
  ASSERT_TRUE(PutReply(*server_, 2, call.header.call, ""));
  EXPECT_EQ(Await(client_->call(4)).header.call, Handle(3));
}

TEST_F(EngineTest, ACallThatIsRefusedIsAnsweredOnceAndHasCome) {
  lh_command_limits limits = {};
  limits.running = limits.threads = limits.queued = 1;
  server_->Control(now_, LH_COMMAND_LIMITS, Payload(limits));
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  for (int step = 0; step < 10; ++step) Step();
  ASSERT_TRUE(PutCall(Handle(1), "b"));
  EXPECT_EQ(Await(client_->call(1)).header.code, 8u);  // RESOURCE_EXHAUSTED
  const Counters& counters = server_->engine().counters();
  EXPECT_EQ(counters.calls_arrived.value(), 2u);
  EXPECT_EQ(counters.calls_busy.value(), 0u);
}

TEST_F(EngineTest, RepliesComeInAnyOrder) {
  server_->Wait(2);
  server_->Wait(3);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  const TakenMessage first = Await(server_->serve(3));
  ASSERT_TRUE(PutCall(Handle(1), "b"));
  const TakenMessage second = Await(server_->serve(2));
  ASSERT_TRUE(PutReply(*server_, 2, second.header.call, "B"));
  EXPECT_EQ(Await(client_->call(1)).header.call, Handle(1));
  ASSERT_TRUE(PutReply(*server_, 3, first.header.call, "A"));
  EXPECT_EQ(Await(client_->call(1)).header.call, Handle(0));
}

TEST_F(EngineTest, ACancelledCallEndsOnceAndTheHandlerIsTold) {
  server_->Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  const TakenMessage call = Await(server_->serve(2));
  ASSERT_TRUE(PutCancel(*client_, 1, Handle(0)));
  EXPECT_EQ(Await(client_->call(1)).header.code, 1u);  // CANCELLED
  for (int step = 0; step < 10; ++step) Step();
  const std::uint32_t index = lh_handle_index(call.header.call);
  EXPECT_EQ(
      server_->region().call_word(index)->word,
      lh_handle(LH_CALL_CANCELLED, lh_handle_generation(call.header.call)));
  // Its late reply reaches nobody, and the thread serves on.
  ASSERT_TRUE(PutReply(*server_, 2, call.header.call, "late"));
  ASSERT_TRUE(PutCall(Handle(0, 2), "b"));
  const TakenMessage next = Await(server_->serve(2));
  ASSERT_TRUE(PutReply(*server_, 2, next.header.call, "B"));
  const TakenMessage reply = Await(client_->call(1));
  EXPECT_EQ(reply.header.call, Handle(0, 2));
  EXPECT_EQ(reply.payload, "B");
}

TEST_F(EngineTest, AHandlerLearnsThatItsClientDied) {
  server_->Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  const TakenMessage call = Await(server_->serve(2));
  client_.reset();
  const Nanos died = now_;
  for (Nanos next = now_; next != kNever;) {
    now_ = next;
    next = server_->engine().Poll(now_);
  }
  EXPECT_LE(now_, died + 7 * kSecond);
  EXPECT_EQ(server_->engine().counters().clients_lost.value(), 1u);
  EXPECT_EQ(
      server_->region().call_word(lh_handle_index(call.header.call))->word,
      lh_handle(LH_CALL_PEER_DEAD, lh_handle_generation(call.header.call)));
  // The thread serves on.
  ASSERT_TRUE(PutReply(*server_, 2, call.header.call, "late"));
  client_ = std::make_unique<Node>(network_, 2, 3);
  peer_ = client_->Connect(now_);
  ASSERT_TRUE(PutCall(Handle(0), "b"));
  EXPECT_EQ(Await(server_->serve(2)).payload, "b");
}

TEST_F(EngineTest, ACancelMayOvertakeItsCallOnAnotherChannel) {
  ASSERT_TRUE(PutCancel(*client_, 2, Handle(0)));
  for (int step = 0; step < 5; ++step) Step();
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  EXPECT_EQ(Await(client_->call(1)).header.code, 1u);  // CANCELLED
  EXPECT_EQ(client_->engine().counters().packets_sent.value(), 0u);
  EXPECT_EQ(client_->engine().counters().messages_refused.value(), 0u);
}

TEST_F(EngineTest, ACallBeyondTheMostIsBusyAndMayComeAgain) {
  client_ = std::make_unique<Node>(network_, 3, 3, /*calls=*/2);
  peer_ = client_->Connect(now_);
  server_->Wait(2);
  server_->Wait(3);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  ASSERT_TRUE(PutCall(Handle(1), "b"));
  const TakenMessage first = Await(server_->serve(3));
  const TakenMessage second = Await(server_->serve(2));
  ASSERT_TRUE(PutCall(Handle(2), "c"));
  const TakenMessage busy = Await(client_->call(1));
  EXPECT_EQ(busy.header.kind, LH_KIND_BUSY);
  EXPECT_EQ(busy.header.call, Handle(2));
  // One that is too late needs no room.
  ASSERT_TRUE(PutCall(Handle(3), "d", now_));
  EXPECT_EQ(Await(client_->call(1)).header.code, 4u);  // DEADLINE_EXCEEDED
  ASSERT_TRUE(PutReply(*server_, 3, first.header.call, "A"));
  EXPECT_EQ(Await(client_->call(1)).payload, "A");
  ASSERT_TRUE(PutCall(Handle(2), "c"));
  const TakenMessage third = Await(server_->serve(3));
  EXPECT_EQ(third.payload, "c");
  EXPECT_EQ(client_->engine().counters().messages_refused.value(), 0u);
  ASSERT_TRUE(PutReply(*server_, 2, second.header.call, "B"));
  EXPECT_EQ(Await(client_->call(1)).payload, "B");
}

TEST_F(EngineTest, ANumberIsNotUsedAgainBeforeItsAnswerIsInTheLane) {
  // As many as the lane has slots, and one that waits.
  const std::uint32_t slots = SmallRegion().slots;
  for (std::uint32_t index = 0; index <= slots; ++index) {
    ASSERT_TRUE(PutCall(Handle(index), "too late", now_));
    Step();
  }
  ASSERT_TRUE(PutCall(Handle(slots, 2), "again"));
  ASSERT_TRUE(PutCall(Handle(0, 2), "too late", now_, 2));
  EXPECT_EQ(Await(client_->call(2)).header.call, Handle(0, 2));
  EXPECT_EQ(client_->engine().counters().messages_refused.value(), 1u);
  for (std::uint32_t index = 0; index <= slots; ++index) {
    EXPECT_EQ(Await(client_->call(1)).header.call, Handle(index));
  }
}

TEST_F(EngineTest, AnEngineSleepsOnABacklogUntilThereIsRoomForIt) {
  const std::uint32_t slots = SmallRegion().slots;
  for (std::uint32_t index = 0; index <= slots; ++index) {
    ASSERT_TRUE(PutCall(Handle(index), "too late", now_));
    Step();
  }
  for (int step = 0; step < 5; ++step) Step();
  Engine& engine = client_->engine();
  EXPECT_EQ(engine.Poll(now_), kNever) << "no timer for it";
  ASSERT_TRUE(engine.TryToSleep());
  const lh_bell& bell = client_->call(1).channel().bell;
  EXPECT_TRUE(lh_bell_before_sleep(&bell)) << "the host is to ring";
  EXPECT_FALSE(lh_bell_before_sleep(&client_->call(2).channel().bell));
  engine.Awake();
  EXPECT_FALSE(lh_bell_before_sleep(&bell));
  TakenMessage taken;
  ASSERT_TRUE(client_->call(1).Take(&taken));
  EXPECT_FALSE(engine.TryToSleep()) << "there is room";
  engine.Poll(now_);
  EXPECT_TRUE(engine.TryToSleep());
  engine.Awake();
}

TEST_F(EngineTest, AServerWithoutAPlaceIsAskedAgain) {
  // Calls that nobody takes, as many as the server has places.
  const std::uint32_t places = SmallRegion().arrived_calls;
  for (std::uint32_t index = 0; index < places; ++index) {
    ASSERT_TRUE(PutCall(Handle(index), "a"));
    while (server_->engine().counters().calls_arrived.value() <= index) Step();
  }
  const std::unique_ptr<Node> first = std::move(client_);
  client_ = std::make_unique<Node>(network_, 3, 3);
  peer_ = client_->Connect(now_);
  ASSERT_TRUE(PutCall(Handle(0), "b"));
  const Counters& server = server_->engine().counters();
  while (server.calls_busy.value() < 3) Step();
  EXPECT_EQ(server.calls_arrived.value(), places);
  // One of them ends, and the call finds its place.
  server_->Wait(2);
  const TakenMessage taken = Await(server_->serve(2));
  EXPECT_EQ(taken.payload, "a");
  ASSERT_TRUE(PutReply(*server_, 2, taken.header.call, "A"));
  while (server.calls_arrived.value() <= places) Step();
  EXPECT_EQ(server.calls_refused.value(), 0u);
  EXPECT_GE(client_->engine().counters().busy_received.value(), 3u);
}

TEST_F(EngineTest, AQueueLimitRefusesAtOnce) {
  lh_command_limits limits = {};
  limits.running = limits.threads = limits.queued = 1;
  ASSERT_EQ(server_->Control(now_, LH_COMMAND_LIMITS, Payload(limits)).code,
            0u);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  ASSERT_TRUE(PutCall(Handle(1), "b"));
  const TakenMessage end = Await(client_->call(1));
  EXPECT_EQ(end.header.call, Handle(1));
  EXPECT_EQ(end.header.code, 8u);  // RESOURCE_EXHAUSTED
  EXPECT_THAT(end.payload, HasSubstr("max_queued"));
  EXPECT_EQ(client_->engine().counters().busy_received.value(), 0u);
}

TEST_F(EngineTest, AServerMayEndACallEarly) {
  server_->Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  const TakenMessage call = Await(server_->serve(2));
  ASSERT_TRUE(PutCancel(*server_, 4, call.header.call));
  const TakenMessage end = Await(client_->call(1));
  EXPECT_EQ(end.header.call, Handle(0));
  EXPECT_EQ(end.header.code, 1u);
  EXPECT_EQ(
      server_->region().call_word(lh_handle_index(call.header.call))->word,
      lh_handle(LH_CALL_CANCELLED, lh_handle_generation(call.header.call)));
  ASSERT_TRUE(PutReply(*server_, 2, call.header.call, "late"));
  ASSERT_TRUE(PutCall(Handle(0, 2), "b"));
  EXPECT_EQ(Await(server_->serve(2)).payload, "b");
}

// The server calls itself, for a call that it serves.
class EngineLinkTest : public EngineTest {
 protected:
  EngineLinkTest() {
    nested_peer_ = server_->Connect(now_);
    server_->Wait(2);
    server_->Wait(3);
  }

  bool PutLink(std::uint64_t call, std::uint64_t parent) {
    lh_message header = {};
    header.kind = LH_KIND_LINK;
    header.call = call;
    header.data = parent;
    return server_->call(1).Put(header);
  }
  bool PutNested(std::uint64_t call, absl::string_view request) {
    lh_message header = {};
    header.kind = LH_KIND_CALL;
    header.call = call;
    header.code = kMethod;
    header.data = nested_peer_;
    return server_->call(1).Put(header, request);
  }

  std::uint64_t CallWord(std::uint64_t handle) {
    return server_->region().call_word(lh_handle_index(handle))->word;
  }

  std::uint64_t nested_peer_;
};

TEST_F(EngineLinkTest, ALinkedCallIsCancelledWithItsParent) {
  ASSERT_TRUE(PutCall(Handle(0), "parent"));
  const TakenMessage parent = Await(server_->serve(3));
  ASSERT_TRUE(PutLink(Handle(0), parent.header.call));
  ASSERT_TRUE(PutNested(Handle(0), "nested"));
  const TakenMessage nested = Await(server_->serve(2));
  EXPECT_EQ(nested.payload, "nested");
  ASSERT_TRUE(PutCancel(*client_, 1, Handle(0)));
  const TakenMessage end = Await(server_->call(1));
  EXPECT_EQ(end.header.call, Handle(0));
  EXPECT_EQ(end.header.code, 1u);
  EXPECT_THAT(end.payload, ::testing::HasSubstr("made for"));
  // And so on down the chain.
  for (int step = 0; step < 10; ++step) Step();
  EXPECT_EQ(lh_handle_index(CallWord(nested.header.call)), LH_CALL_CANCELLED);
}

TEST_F(EngineLinkTest, ALinkToACancelledCallCancelsWhatFollows) {
  ASSERT_TRUE(PutCall(Handle(0), "parent"));
  const TakenMessage parent = Await(server_->serve(3));
  ASSERT_TRUE(PutCancel(*client_, 1, Handle(0)));
  Await(client_->call(1));
  for (int step = 0; step < 10; ++step) Step();
  ASSERT_TRUE(PutLink(Handle(0), parent.header.call));
  ASSERT_TRUE(PutNested(Handle(0), "nested"));
  EXPECT_EQ(Await(server_->call(1)).header.code, 1u);
}

TEST_F(EngineLinkTest, ACallGoesOnIfItsParentEndsByItsReply) {
  ASSERT_TRUE(PutCall(Handle(0), "parent"));
  const TakenMessage parent = Await(server_->serve(3));
  ASSERT_TRUE(PutLink(Handle(0), parent.header.call));
  ASSERT_TRUE(PutNested(Handle(0), "nested"));
  const TakenMessage nested = Await(server_->serve(2));
  ASSERT_TRUE(PutReply(*server_, 3, parent.header.call, "early"));
  EXPECT_EQ(Await(client_->call(1)).payload, "early");
  // Another call under the parent's number is another call.
  ASSERT_TRUE(PutCall(Handle(0, 2), "other"));
  const TakenMessage other = Await(server_->serve(3));
  EXPECT_EQ(lh_handle_index(other.header.call),
            lh_handle_index(parent.header.call));
  ASSERT_TRUE(PutCancel(*client_, 1, Handle(0, 2)));
  for (int step = 0; step < 10; ++step) Step();
  ASSERT_TRUE(PutReply(*server_, 2, nested.header.call, "NESTED"));
  EXPECT_EQ(Await(server_->call(1)).payload, "NESTED");
  // A link to one that is gone is none.
  ASSERT_TRUE(PutLink(Handle(0, 2), parent.header.call));
  ASSERT_TRUE(PutReply(*server_, 3, other.header.call, "late"));
  ASSERT_TRUE(PutNested(Handle(0, 2), "nested again"));
  EXPECT_EQ(Await(server_->serve(3)).payload, "nested again");
}

TEST_F(EngineLinkTest, ForgedLinksAreRefusedOrMeanNothing) {
  const std::uint64_t refused =
      server_->engine().counters().messages_refused.value();
  ASSERT_TRUE(PutLink(lh_handle(0, 1), lh_handle(0, 1)));  // not an own call
  ASSERT_TRUE(PutLink(~std::uint64_t{0}, lh_handle(0, 1)));
  ASSERT_TRUE(PutLink(Handle(0), ~std::uint64_t{0}));
  ASSERT_TRUE(PutLink(Handle(0), lh_handle(0, 77)));
  ASSERT_TRUE(PutNested(Handle(0), "nested"));
  const TakenMessage nested = Await(server_->serve(3));
  ASSERT_TRUE(PutLink(Handle(0), nested.header.call));  // too late
  ASSERT_TRUE(PutReply(*server_, 3, nested.header.call, "NESTED"));
  EXPECT_EQ(Await(server_->call(1)).payload, "NESTED");
  EXPECT_EQ(server_->engine().counters().messages_refused.value(), refused + 3);
}

TEST_F(EngineTest, AServerClosesWhenItsLastCallHasEnded) {
  server_->Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  const TakenMessage call = Await(server_->serve(2));
  ASSERT_TRUE(PutClose(5, 99));
  for (int step = 0; step < 20; ++step) Step();
  TakenMessage result;
  EXPECT_FALSE(server_->call(5).Take(&result));
  ASSERT_TRUE(PutCall(Handle(1), "b"));
  EXPECT_EQ(Await(client_->call(1)).header.code, 14u);  // UNAVAILABLE
  ASSERT_TRUE(PutReply(*server_, 2, call.header.call, "A"));
  EXPECT_EQ(Await(client_->call(1)).payload, "A");
  result = Await(server_->call(5));
  EXPECT_EQ(result.header.kind, LH_KIND_RESULT);
  EXPECT_EQ(result.header.call, 99u);
}

TEST_F(EngineTest, AServerThatClosesEndsItsCallsAtTheDeadline) {
  server_->Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  ASSERT_TRUE(PutCall(Handle(1), "queued"));
  const TakenMessage call = Await(server_->serve(2));
  ASSERT_TRUE(PutClose(5, 99));
  for (int step = 0; step < 20; ++step) Step();
  // Another thread is in a hurry.
  const Nanos deadline = now_ + 10 * kMillisecond;
  ASSERT_TRUE(PutClose(4, 100, deadline));
  EXPECT_EQ(Await(server_->call(4)).header.code, 6u);  // ALREADY_EXISTS
  for (int end = 0; end < 2; ++end) {
    const TakenMessage ended = Await(client_->call(1));
    EXPECT_EQ(ended.header.code, 14u);  // UNAVAILABLE
    EXPECT_THAT(ended.payload, ::testing::HasSubstr("was shut down"));
  }
  EXPECT_GE(now_, deadline);
  EXPECT_LE(now_, deadline + kMillisecond);
  EXPECT_EQ(
      server_->region().call_word(lh_handle_index(call.header.call))->word,
      lh_handle(LH_CALL_CANCELLED, lh_handle_generation(call.header.call)));
  // It is closed when the handler has returned.
  for (int step = 0; step < 20; ++step) Step();
  TakenMessage result;
  EXPECT_FALSE(server_->call(5).Take(&result));
  ASSERT_TRUE(PutReply(*server_, 2, call.header.call, "late"));
  EXPECT_EQ(Await(server_->call(5)).header.call, 99u);
}

TEST_F(EngineTest, ControlCommandsAreChecked) {
  constexpr std::uint64_t kInvalid = 3;
  constexpr std::uint64_t kNotFound = 5;
  constexpr std::uint64_t kAlreadyExists = 6;
  constexpr std::uint64_t kFailedPrecondition = 9;
  Node& node = *client_;
  EXPECT_EQ(node.Control(now_, LH_COMMAND_NONE, "").code, kUnimplemented);
  constexpr auto kUnknown = static_cast<lh_command>(LH_COMMAND_METHOD_NAME + 1);
  EXPECT_EQ(node.Control(now_, kUnknown, "").code, kUnimplemented);
  for (const lh_command command :
       {LH_COMMAND_SERVER_CLOSE, LH_COMMAND_DISCONNECT, LH_COMMAND_LISTEN,
        LH_COMMAND_CONNECT, LH_COMMAND_METHOD_ADD, LH_COMMAND_ENDPOINT_REOPEN,
        LH_COMMAND_ENDPOINT_RETIRE, LH_COMMAND_LIMITS,
        LH_COMMAND_METHOD_NAME}) {
    EXPECT_EQ(node.Control(now_, command, "short").code, kInvalid) << command;
  }
  lh_command_handle nothing;
  nothing.handle = lh_handle(1000, 1);
  for (const lh_command command :
       {LH_COMMAND_DISCONNECT, LH_COMMAND_ENDPOINT_REOPEN,
        LH_COMMAND_ENDPOINT_RETIRE}) {
    EXPECT_EQ(node.Control(now_, command, Payload(nothing)).code, kNotFound)
        << command;
  }
  lh_command_close close = {};
  close.server = nothing.handle;
  EXPECT_EQ(node.Control(now_, LH_COMMAND_SERVER_CLOSE, Payload(close)).code,
            kNotFound);
  lh_command_handle open;
  open.handle = lh_handle(1, 1);
  EXPECT_EQ(node.Control(now_, LH_COMMAND_ENDPOINT_REOPEN, Payload(open)).code,
            kFailedPrecondition);
  lh_command_limits limits = {};
  limits.running = limits.threads = 1;
  EXPECT_EQ(node.Control(now_, LH_COMMAND_LIMITS, Payload(limits)).code,
            kInvalid);
  limits.queued = 1;
  EXPECT_EQ(node.Control(now_, LH_COMMAND_LIMITS, Payload(limits)).code, 0u);
  lh_command_method method = {};
  method.name_length = 10;  // but none follows
  EXPECT_EQ(node.Control(now_, LH_COMMAND_METHOD_ADD, Payload(method)).code,
            kInvalid);
  EXPECT_EQ(node.NameMethod(now_, 1, ""), kInvalid);
  EXPECT_EQ(node.NameMethod(now_, 1, std::string(256, 'n')), kInvalid);
  EXPECT_EQ(node.NameMethod(now_, 1, std::string(255, 'n')), 0u);
  EXPECT_EQ(node.NameMethod(now_, 2, "/a/B"), 0u);
  std::string text;
  EXPECT_EQ(node.NameMethod(now_, 2, "/c/D", &text), kAlreadyExists);
  EXPECT_THAT(text, HasSubstr("/a/B and /c/D"));
}

TEST_F(EngineTest, AMethodWithAnotherNameIsNotRun) {
  // Both names have this id.
  ASSERT_EQ(client_->NameMethod(now_, kMethod, "/c/D"), 0u);
  server_->Wait(2);
  for (std::uint32_t call = 0; call < 3; ++call) {
    ASSERT_TRUE(PutCall(Handle(call), "a"));
    const TakenMessage end = Await(client_->call(1));
    EXPECT_EQ(end.header.code, kUnimplemented);
    EXPECT_THAT(end.payload, HasSubstr("no method /c/D, but /a/B"));
  }
  EXPECT_EQ(server_->engine().counters().names_refused.value(), 3u);
  EXPECT_EQ(server_->engine().counters().calls_unimplemented.value(), 0u);
  TakenMessage nothing;
  EXPECT_FALSE(server_->serve(2).Take(&nothing));
}

TEST_F(EngineTest, AMethodThatIsNotThereIsNamed) {
  ASSERT_EQ(client_->NameMethod(now_, kMethod + 1, "/c/D"), 0u);
  lh_message header = {};
  header.kind = LH_KIND_CALL;
  header.call = Handle(0);
  header.code = kMethod + 1;
  header.data = peer_;
  ASSERT_TRUE(client_->call(1).Put(header));
  const TakenMessage end = Await(client_->call(1));
  EXPECT_EQ(end.header.code, kUnimplemented);
  EXPECT_EQ(end.payload, "the server has no method /c/D");
  EXPECT_EQ(server_->engine().counters().calls_unimplemented.value(), 1u);
}

TEST_F(EngineTest, TheNameOfAMethodTravelsOnce) {
  int named = 0;
  int calls = 0;
  network_.set_filter([&](const Address&, const Address&,
                          absl::Span<const std::uint8_t> bytes) {
    const absl::optional<Packet> packet = ParsePacket(bytes);
    if (packet.has_value() && packet->header.type == LH_PACKET_CALL) {
      ++calls;
      if (packet->name == "/a/B") ++named;
    }
    return true;
  });
  ASSERT_EQ(client_->NameMethod(now_, kMethod, "/a/B"), 0u);
  ASSERT_EQ(client_->NameMethod(now_, kMethod, "/a/B"), 0u) << "again";
  for (std::uint32_t call = 0; call < 5; ++call) {
    server_->Wait(2);
    ASSERT_TRUE(PutCall(Handle(call), "a"));
    const TakenMessage arrived = Await(server_->serve(2));
    EXPECT_EQ(arrived.payload, "a");
    ASSERT_TRUE(PutReply(*server_, 2, arrived.header.call, "A"));
    EXPECT_EQ(Await(client_->call(1)).payload, "A");
  }
  EXPECT_EQ(calls, 5);
  EXPECT_EQ(named, 1);
}

TEST_F(EngineTest, CommandsWhoseResultsAreNotFetchedAreRefused) {
  lh_message command = {};
  command.kind = LH_KIND_CONTROL;
  command.code = LH_COMMAND_SERVER_OPEN;
  const std::uint32_t most = SmallRegion().slots + 2;
  for (std::uint32_t number = 1; number <= most + 5; ++number) {
    command.call = number;
    ASSERT_TRUE(client_->call(3).Put(command));
    Step();
  }
  EXPECT_EQ(client_->engine().counters().messages_refused.value(), 5u);
  for (std::uint32_t number = 1; number <= most; ++number) {
    EXPECT_EQ(Await(client_->call(3)).header.call, number);
  }
  command.call = 99;
  ASSERT_TRUE(client_->call(3).Put(command));
  EXPECT_EQ(Await(client_->call(3)).header.call, 99u);
}

TEST_F(EngineTest, MessagesThatBreakTheContractAreRefusedOnly) {
  lh_message header = {};
  header.kind = LH_KIND_REPLY;  // not on `call`
  ASSERT_TRUE(client_->call(1).Put(header));
  header.kind = LH_KIND_CALL;
  header.call = lh_handle(0, 1);  // not of the process's own range
  ASSERT_TRUE(client_->call(1).Put(header));
  header.call = Handle(0);
  header.aux = 1000;  // no such endpoint
  ASSERT_TRUE(client_->call(1).Put(header));
  header.aux = 0;
  header.kind = LH_KIND_CONTROL;  // not on `serve`
  ASSERT_TRUE(client_->serve(1).Put(header));
  header.kind = LH_KIND_CANCEL;
  header.call = lh_handle(0xffffffff, 1);
  ASSERT_TRUE(client_->call(1).Put(header));
  for (int step = 0; step < 5; ++step) Step();
  EXPECT_EQ(client_->engine().counters().messages_refused.value(), 5u);
  // A call that is open may not be started again.
  server_->Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  ASSERT_TRUE(PutCall(Handle(0), "b"));
  const TakenMessage call = Await(server_->serve(2));
  EXPECT_EQ(call.payload, "a");
  EXPECT_EQ(client_->engine().counters().messages_refused.value(), 6u);
  ASSERT_TRUE(PutReply(*server_, 2, call.header.call, "A"));
  EXPECT_EQ(Await(client_->call(1)).payload, "A");
}

TEST_F(EngineTest, AnIdleEngineWantsNoTurn) {
  server_->Wait(2);
  ASSERT_TRUE(PutCall(Handle(0), "a"));
  const TakenMessage call = Await(server_->serve(2));
  ASSERT_TRUE(PutReply(*server_, 2, call.header.call, "A"));
  Await(client_->call(1));
  for (int step = 0; step < 10; ++step) Step();
  EXPECT_EQ(client_->engine().Poll(now_), kNever);
  EXPECT_EQ(server_->engine().Poll(now_), kNever);
  EXPECT_TRUE(client_->engine().TryToSleep());
  EXPECT_TRUE(server_->engine().TryToSleep());
}

// Exactly one end for each call and at most one run, whatever the network does.
class EngineStormTest : public EngineTest,
                        public ::testing::WithParamInterface<int> {
 protected:
  static constexpr std::uint32_t kCalls = 300;
  static constexpr std::uint32_t kAtATime = 20;

  // Serves what comes: runs are counted by request.
  void RunThreads() {
    for (const std::size_t endpoint : {2u, 3u, 4u}) {
      TakenMessage call;
      while (server_ != nullptr && server_->serve(endpoint).Take(&call)) {
        ++runs_[call.payload];
        ASSERT_TRUE(PutReply(*server_, endpoint, call.header.call,
                             absl::StrCat("re: ", call.payload)));
      }
    }
  }

  // Makes all calls, with `at_step` before each step.
  template <typename AtStep>
  void MakeCalls(AtStep at_step) {
    for (const std::size_t endpoint : {2u, 3u, 4u}) server_->Wait(endpoint);
    std::uint32_t started = 0;
    std::map<std::uint64_t, std::string> open;
    std::vector<std::uint32_t> free_indices;
    std::vector<std::uint32_t> generation(kAtATime, 0);
    for (std::uint32_t index = 0; index < kAtATime; ++index) {
      free_indices.push_back(index);
    }
    for (int step = 0; ended_ < kCalls; ++step) {
      ASSERT_LT(step, 2'000'000) << open.size() << " calls never ended";
      at_step(step);
      while (started < kCalls && !free_indices.empty()) {
        const std::uint32_t index = free_indices.back();
        const std::uint64_t handle = Handle(index, generation[index] + 1);
        const std::string request =
            absl::StrCat("call ", started, std::string(started % 5 * 90, '.'));
        if (!PutCall(handle, request)) break;
        ++generation[index];
        free_indices.pop_back();
        open[handle] = request;
        ++started;
      }
      TakenMessage answer;
      while (client_->call(1).Take(&answer)) {
        ASSERT_EQ(answer.header.kind, LH_KIND_REPLY);
        const auto call = open.find(answer.header.call);
        ASSERT_NE(call, open.end()) << "ended twice, or never made";
        if (answer.header.code == 0) {
          EXPECT_EQ(answer.payload, absl::StrCat("re: ", call->second));
          EXPECT_EQ(runs_[call->second], 1);
          ++good_;
        } else {
          EXPECT_EQ(answer.header.code, 14u) << answer.payload;
        }
        free_indices.push_back(lh_handle_index(call->first) -
                               SmallRegion().arrived_calls);
        open.erase(call);
        ++ended_;
      }
      RunThreads();
      Step();
    }
    for (const auto& [request, runs] : runs_) {
      EXPECT_LE(runs, 1) << request << " ran more than once";
    }
  }

  std::map<std::string, int> runs_;
  std::uint32_t ended_ = 0;
  std::uint32_t good_ = 0;
};

TEST_P(EngineStormTest, EveryCallIsAnsweredOnceOverABadNetwork) {
  MemoryNetwork::Faults faults;
  faults.loss = 100;
  faults.duplication = 100;
  faults.reordering = 100;
  faults.corruption = 50;
  faults.truncation = 50;
  faults.min_delay = 5 * kMicrosecond;
  faults.max_delay = 2 * kMillisecond;
  network_.set_faults(faults);
  for (int skip = 0; skip < GetParam(); ++skip) {
    // Another seed: the network's chance has gone on.
    lh_message header = {};
    header.kind = LH_KIND_CALL;
    header.call = Handle(40, static_cast<std::uint32_t>(skip + 1));
    header.code = kMethod;
    header.data = peer_;
    header.deadline = now_ + kMillisecond;
    ASSERT_TRUE(client_->call(4).Put(header));
    Await(client_->call(4));
  }
  MakeCalls([](int) {});
  EXPECT_EQ(good_, kCalls);
  EXPECT_GT(client_->engine().counters().retransmissions.value(), 0u);
  EXPECT_GT(server_->engine().counters().calls_duplicate.value(), 0u);
  EXPECT_GT(server_->engine().counters().packets_malformed.value(), 0u);
}

TEST_P(EngineStormTest, EveryCallEndsAlthoughTheServerDies) {
  MemoryNetwork::Faults faults;
  faults.loss = 20;
  faults.duplication = 20;
  faults.min_delay = 5 * kMicrosecond;
  faults.max_delay = kMillisecond;
  network_.set_faults(faults);
  const int death = 200 + 37 * GetParam();
  MakeCalls([&](int step) {
    if (step == death) server_.reset();
    if (step == death + 100) {
      server_ = std::make_unique<Node>(network_, 1, 3);
      server_->Serve(now_);
      for (const std::size_t endpoint : {2u, 3u, 4u}) server_->Wait(endpoint);
    }
  });
  EXPECT_GT(good_, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, EngineStormTest, ::testing::Range(0, 12));

}  // namespace
}  // namespace lauberhorn::nic
