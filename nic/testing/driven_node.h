// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/driven_node.h
//
// A process of a test with two endpoints and a NIC that something else than the
// test drives: its test says how to ring it. And what two such say to each
// other.
//
// Not thread-safe: each channel belongs to one thread.
#ifndef LAUBERHORN_NIC_TESTING_DRIVEN_NODE_H_
#define LAUBERHORN_NIC_TESTING_DRIVEN_NODE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "nic/region.h"
#include "nic/testing/commands.h"
#include "nic/testing/host_side.h"

namespace lauberhorn::nic::testing {

inline constexpr lh_address kLoopback = {
    .ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1},
    .scope = 0,
    .port = 0,
    .reserved = 0};

class DrivenNode {
 public:
  static RegionOptions SmallRegion() {
    RegionOptions options;
    options.endpoints = 2;
    options.arrived_calls = 64;
    options.own_calls = 64;
    return options;
  }

  DrivenNode()
      : memory(SmallRegion()),
        region(SmallRegion(), memory.bytes()),
        serve(region.base(), 0, Which::kServe),
        call(region.base(), 0, Which::kCall) {}
  virtual ~DrivenNode() = default;

  void Put(HostChannel& channel, const lh_message& header,
           const std::string& payload = "") {
    EXPECT_TRUE(channel.Put(header, payload));
    Ring();
  }

  // Its thread waits for a call.
  void PutEmpty() {
    lh_message empty = {};
    empty.kind = LH_KIND_EMPTY;
    empty.aux = 1;
    Put(serve, empty);
  }
  void PutCall(std::uint32_t number, std::uint64_t method, std::uint64_t peer,
               const std::string& request) {
    lh_message header = {};
    header.kind = LH_KIND_CALL;
    header.call = lh_handle(SmallRegion().arrived_calls, number);
    header.code = method;
    header.data = peer;
    Put(call, header, request);
  }
  void PutReply(const TakenMessage& arrived, const std::string& text) {
    lh_message reply = {};
    reply.kind = LH_KIND_REPLY;
    reply.call = arrived.header.call;
    Put(serve, reply, text);
  }

  // Waits for the next message without doing anything for it.
  static TakenMessage Watch(HostChannel& channel) {
    TakenMessage message = {};
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!channel.Take(&message)) {
      if (std::chrono::steady_clock::now() > end) {
        ADD_FAILURE() << "nothing came";
        break;
      }
      std::this_thread::yield();
    }
    return message;
  }

  std::uint64_t Control(lh_command command, const std::string& payload) {
    lh_message header = {};
    header.kind = LH_KIND_CONTROL;
    header.code = command;
    Put(call, header, payload);
    const TakenMessage result = Watch(call);
    EXPECT_EQ(result.header.kind, LH_KIND_RESULT);
    EXPECT_EQ(result.header.code, 0u) << result.payload;
    return result.header.data;
  }

  // The same, as nic/testing/commands.h wants it.
  auto Commands() {
    return [this](lh_command command, const std::string& payload) {
      return Control(command, payload);
    };
  }

  RegionMemory memory;
  Region region;
  HostChannel serve;
  HostChannel call;

 private:
  // Something was put.
  virtual void Ring() = 0;
};

// The server has this method, and a thread that waits. The server, as a peer of
// the client.
inline std::uint64_t ConnectToServer(DrivenNode& client, DrivenNode& server,
                                     std::uint64_t method_id) {
  lh_command_method method = {};
  method.method = method_id;
  lh_address address = kLoopback;
  address.port = OpenServer(server.Commands(), method, "", address).port;
  const std::uint64_t peer = Connect(client.Commands(), address);
  server.PutEmpty();
  return peer;
}

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_DRIVEN_NODE_H_
