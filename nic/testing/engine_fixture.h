// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/engine_fixture.h
//
// A server, a client and a network between them in simulated time; what the
// threads of both processes do does the test.
#ifndef LAUBERHORN_NIC_TESTING_ENGINE_FIXTURE_H_
#define LAUBERHORN_NIC_TESTING_ENGINE_FIXTURE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "abi/host/control.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "nic/testing/commands.h"
#include "nic/testing/host_side.h"
#include "nic/testing/simulated_host.h"
#include "nic/testing/simulation.h"
#include "nic/time.h"

namespace lauberhorn::nic::testing {

class EngineTest : public ::testing::Test {
 protected:
  static constexpr std::uint16_t kPort = 50051;
  // The server's method.
  static constexpr std::uint64_t kMethod = 7;
  static constexpr absl::string_view kMethodName = "/a/B";
  static constexpr std::uint64_t kCode = 0x1234;
  static constexpr std::uint64_t kData = 0x5678;
  static constexpr std::uint16_t kIndex = 9;

  static HostOptions Options() {
    HostOptions options;
    options.region.endpoints = 6;
    options.region.arrived_calls = 64;
    options.region.own_calls = 64;
    return options;
  }
  static RegionOptions SmallRegion() { return Options().region; }

  EngineTest() {
    server_->Start(now());
    lh_command_method method = {};
    method.method = kMethod;
    method.code = kCode;
    method.data = kData;
    method.index = kIndex;
    const OpenedServer opened = OpenServer(
        Commands(*server_), method, kMethodName, server_->address(kPort).raw());
    server_handle_ = opened.handle;
    EXPECT_EQ(opened.port, kPort);
    StartClient();
  }

  // The client's next incarnation; or another host that is the client from now
  // on.
  void StartClient() {
    client_->Start(now());
    peer_ = Connect(*client_);
  }
  void StartClient(const HostOptions& options) {
    client_ = &simulation_.AddHost(options);
    StartClient();
  }

  Nanos now() const { return simulation_.now(); }
  // Whatever is due next.
  void Step() { simulation_.Step(); }
  void Steps(int count) {
    while (count-- > 0) Step();
  }

  lh_message Control(SimulatedHost& host, lh_command command,
                     absl::string_view payload, std::string* text = nullptr) {
    const lh_message result = host.Control(now(), command, payload, text);
    EXPECT_EQ(result.kind, LH_KIND_RESULT);
    return result;
  }

  // The same for commands that must succeed, as nic/testing/commands.h wants
  // it.
  std::function<std::uint64_t(lh_command, absl::string_view)> Commands(
      SimulatedHost& host) {
    return [this, &host](lh_command command, absl::string_view payload) {
      const lh_message result = Control(host, command, payload);
      EXPECT_EQ(result.code, 0u);
      return result.data;
    };
  }

  // A peer of this host: the server.
  std::uint64_t Connect(SimulatedHost& host) {
    return testing::Connect(Commands(host), server_->address(kPort).raw());
  }

  // The status of the client's command that names a method.
  std::uint64_t NameMethod(std::uint64_t id, absl::string_view name,
                           std::string* text = nullptr) {
    lh_command_method_name method = {};
    method.method = id;
    method.name_length = static_cast<std::uint16_t>(name.size());
    return Control(*client_, LH_COMMAND_METHOD_NAME,
                   absl::StrCat(Payload(method), name), text)
        .code;
  }

  // Says that the endpoint's thread of the server takes one call.
  void Wait(std::size_t endpoint) {
    lh_message header = {};
    header.kind = LH_KIND_EMPTY;
    header.aux = 1;
    EXPECT_TRUE(server_->serve(endpoint).Put(header));
  }

  // A call number: index of the process's own range, and a generation.
  static std::uint64_t Handle(std::uint32_t index,
                              std::uint32_t generation = 1) {
    return lh_handle(SmallRegion().arrived_calls + index, generation);
  }

  // A call of the client.
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

  bool PutCancel(SimulatedHost& host, std::size_t endpoint,
                 std::uint64_t call) {
    lh_message header = {};
    header.kind = LH_KIND_CANCEL;
    header.call = call;
    return host.call(endpoint).Put(header);
  }

  // The server's reply to a call that it serves.
  bool PutReply(std::size_t endpoint, std::uint64_t call,
                absl::string_view reply) {
    lh_message header = {};
    header.kind = LH_KIND_REPLY;
    header.call = call;
    return server_->serve(endpoint).Put(header, reply);
  }

  bool PutClose(std::size_t endpoint, std::uint64_t command,
                Nanos deadline = 0) {
    lh_message header = {};
    header.kind = LH_KIND_CONTROL;
    header.code = LH_COMMAND_SERVER_CLOSE;
    header.call = command;
    lh_command_close close;
    close.server = server_handle_;
    close.deadline = deadline;
    return server_->call(endpoint).Put(header, Payload(close));
  }

  // The call word of a call that the server serves.
  std::uint64_t CallWord(std::uint64_t handle) {
    return server_->region().call_word(lh_handle_index(handle))->word;
  }

  // Waits for the next message of the channel, as a thread would.
  TakenMessage Await(HostChannel& channel) {
    TakenMessage message = {};
    EXPECT_TRUE(simulation_.RunUntil(now() + 100 * kSecond, [&] {
      channel.BeforeSleep();
      return channel.HasMessage();
    })) << "nothing came";
    channel.Take(&message);
    return message;
  }

  Simulation simulation_{1};
  SimulatedHost* const server_ = &simulation_.AddHost(Options());
  SimulatedHost* client_ = &simulation_.AddHost(Options());
  std::uint64_t server_handle_ = 0;
  std::uint64_t peer_ = 0;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_ENGINE_FIXTURE_H_
