// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/daemon/testing/fake_process.h"

#include <chrono>
#include <utility>

#include "gtest/gtest.h"
#include "nic/testing/commands.h"

namespace lauberhorn::nic::daemon::testing {
namespace {

using nic::testing::HostChannel;
using nic::testing::TakenMessage;

constexpr lh_address kLoopback = {
    .ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1},
    .scope = 0,
    .port = 0,
    .reserved = 0};

std::uint32_t AttachTo(FakeNode& node, const std::function<void()>& turn,
                       const FakeNode::Who& who) {
  const std::uint32_t place = node.Open(who);
  EXPECT_TRUE(
      Eventually(turn, [&] { return node.AnswerOf(place).has_value(); }));
  EXPECT_EQ(node.AnswerOf(place), 0);
  return place;
}

}  // namespace

bool Eventually(const std::function<void()>& turn,
                const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    turn();
  }
  return true;
}

FakeProcess::FakeProcess(FakeNode& node, std::function<void()> turn,
                         const FakeNode::Who& who)
    : node_(node),
      turn_(std::move(turn)),
      place_(AttachTo(node, turn_, who)),
      serve_(base(), 0, Which::kServe),
      call_(base(), 0, Which::kCall) {}

void FakeProcess::Put(Which which, const lh_message& header,
                      absl::string_view payload) {
  HostChannel& channel = which == Which::kServe ? serve_ : call_;
  const int before = channel.rings();
  EXPECT_TRUE(channel.Put(header, payload));
  if (channel.rings() != before) node_.Ring();
}

TakenMessage FakeProcess::Take(Which which) {
  HostChannel& channel = which == Which::kServe ? serve_ : call_;
  TakenMessage message = {};
  EXPECT_TRUE(Eventually(turn_, [&] { return channel.Take(&message); }))
      << "nothing came";
  return message;
}

TakenMessage FakeProcess::Run(lh_command command, absl::string_view payload) {
  lh_message header = {};
  header.kind = LH_KIND_CONTROL;
  header.code = command;
  Put(Which::kCall, header, payload);
  TakenMessage result = Take(Which::kCall);
  EXPECT_EQ(result.header.kind, LH_KIND_RESULT);
  return result;
}

std::uint64_t FakeProcess::Control(lh_command command,
                                   absl::string_view payload) {
  const TakenMessage result = Run(command, payload);
  EXPECT_EQ(result.header.code, 0u) << result.payload;
  return result.header.data;
}

std::uint16_t FakeProcess::Serve() {
  lh_command_method method = {};
  method.method = kMethod;
  const std::uint16_t port =
      nic::testing::OpenServer(
          [this](lh_command command, absl::string_view payload) {
            return Control(command, payload);
          },
          method, "/a/B", kLoopback)
          .port;
  Wait();
  return port;
}

std::uint64_t FakeProcess::ConnectTo(std::uint16_t port) {
  lh_address address = kLoopback;
  address.port = port;
  return nic::testing::Connect(
      [this](lh_command command, absl::string_view payload) {
        return Control(command, payload);
      },
      address);
}

void FakeProcess::PutCall(std::uint64_t peer, std::uint32_t number,
                          std::uint32_t generation, absl::string_view request) {
  lh_message header = {};
  header.kind = LH_KIND_CALL;
  header.call = lh_handle(layout().call_first + number, generation);
  header.code = kMethod;
  header.data = peer;
  Put(Which::kCall, header, request);
}

void FakeProcess::Wait() {
  lh_message wait = {};
  wait.kind = LH_KIND_EMPTY;
  wait.aux = 1;
  Put(Which::kServe, wait);
}

void FakeProcess::Reply(const TakenMessage& call, absl::string_view reply) {
  lh_message header = {};
  header.kind = LH_KIND_REPLY;
  header.call = call.header.call;
  Put(Which::kServe, header, reply);
}

}  // namespace lauberhorn::nic::daemon::testing
