// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/dispatcher_fixture.h
//
// A dispatcher with three endpoints, whose threads do what the test says.
#ifndef LAUBERHORN_NIC_TESTING_DISPATCHER_FIXTURE_H_
#define LAUBERHORN_NIC_TESTING_DISPATCHER_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nic/body.h"
#include "nic/channel_table.h"
#include "nic/counters.h"
#include "nic/dispatcher.h"
#include "nic/region.h"
#include "nic/testing/host_side.h"
#include "nic/time.h"

namespace lauberhorn::nic::testing {

class DispatcherTest : public ::testing::Test, private Dispatcher::Handler {
 protected:
  static constexpr std::uint32_t kEndpoints = 3;
  static constexpr std::uint32_t kSlots = 4;
  static constexpr std::uint32_t kTable = 6;
  static constexpr std::uint8_t kCancelled = 1;
  static constexpr std::uint8_t kDeadlineExceeded = 4;
  static constexpr std::uint8_t kInternal = 13;
  static constexpr absl::StatusCode kCancelCode = absl::StatusCode::kCancelled;

  struct Done {
    std::uint32_t sequence;  // names the call here
    std::uint8_t status;
    std::string text;
    std::string meta;
  };

  // On a machine whose kernel says where threads are, or null.
  explicit DispatcherTest(ProcessCpus* cpus = nullptr)
      : channels_(region_, counters_, cpus),
        dispatcher_(region_, channels_, counters_, *this, cpus) {
    dispatcher_.set_now(now_);
    for (std::uint32_t endpoint = 0; endpoint < kEndpoints; ++endpoint) {
      hosts_.push_back(std::make_unique<HostChannel>(memory_.bytes().data(),
                                                     endpoint, Which::kServe));
    }
  }

  // A call with this name; its number in the table, kNone if it is not taken
  // in.
  std::uint32_t Accept(std::uint32_t name, Nanos deadline = kNever,
                       std::uint32_t server = 9) {
    if (!dispatcher_.HasPlace()) return Dispatcher::kNone;
    const std::string payload = "call " + std::to_string(name);
    return dispatcher_.Accept(
        {.reply_to = {.token = 1, .session = 2, .sequence = name, .slot = 3},
         .listener = 0,
         .method = 5,
         .deadline = deadline,
         .body = Bytes(payload)},
        {.code = 6, .data = 7, .index = 8, .server = server});
  }

  // The host's messages, as the engine hands them on.
  bool Put(std::uint32_t endpoint, const lh_message& header,
           absl::string_view payload = "") {
    EXPECT_TRUE(hosts_[endpoint]->Put(header, payload));
    HostMessage message;
    EXPECT_TRUE(channels_.Collect(2 * endpoint, &message, now_));
    const auto handle = [&] {
      switch (header.kind) {
        case LH_KIND_EMPTY:
          return dispatcher_.OnEmpty(endpoint, message);
        case LH_KIND_LEAVE:
          return dispatcher_.OnLeave(endpoint, message);
        case LH_KIND_ENTER:
          return dispatcher_.OnEnter(endpoint, message);
        default:
          return dispatcher_.OnReply(endpoint, message);
      }
    };
    const bool good = handle();
    dispatcher_.Dispatch();
    return good;
  }
  bool Empty(std::uint32_t endpoint, std::uint16_t count = 1) {
    lh_message header = {};
    header.kind = LH_KIND_EMPTY;
    header.aux = count;
    return Put(endpoint, header);
  }
  bool Reply(std::uint32_t endpoint, std::uint64_t call,
             absl::string_view text = "ok", std::uint64_t status = 0) {
    now_ += handler_time_;
    dispatcher_.set_now(now_);
    lh_message header = {};
    header.kind = LH_KIND_REPLY;
    header.call = call;
    header.code = status;
    return Put(endpoint, header, text);
  }

  // A handler begins to wait for a call of its own, or comes back.
  bool Leave(std::uint32_t endpoint, std::uint64_t call) {
    lh_message header = {};
    header.kind = LH_KIND_LEAVE;
    header.call = call;
    return Put(endpoint, header);
  }
  bool Enter(std::uint32_t endpoint, std::uint64_t call) {
    lh_message header = {};
    header.kind = LH_KIND_ENTER;
    header.call = call;
    return Put(endpoint, header);
  }

  // Endpoint 0 has a call of a method that is known to be short; its handle.
  std::uint64_t RunShortMethod() {
    handler_time_ = kMicrosecond;
    std::uint64_t handle = 0;
    EXPECT_TRUE(Empty(0));
    Accept(101);
    EXPECT_EQ(Take(0, &handle), 101u);
    EXPECT_TRUE(Reply(0, handle));
    Accept(102);
    EXPECT_EQ(Take(0, &handle), 102u);
    return handle;
  }

  // The name of the next call in the endpoint's lane, 0 if there is none,
  // kRetire if its thread is sent home. `handle` of the call, if not null.
  std::uint32_t Take(std::uint32_t endpoint, std::uint64_t* handle = nullptr) {
    TakenMessage taken;
    if (!hosts_[endpoint]->Take(&taken)) return 0;
    if (taken.header.kind == LH_KIND_RETIRE) return kRetire;
    EXPECT_EQ(taken.header.kind, LH_KIND_CALL);
    EXPECT_EQ(taken.header.code, 6u);
    EXPECT_EQ(taken.header.data, 7u);
    EXPECT_EQ(taken.header.aux, 8);
    if (handle != nullptr) *handle = taken.header.call;
    last_ = taken;
    EXPECT_EQ(taken.payload.rfind("call ", 0), 0u) << taken.payload;
    return static_cast<std::uint32_t>(std::stoul(taken.payload.substr(5)));
  }

  void ExpireAt(Nanos now) {
    now_ = now;
    dispatcher_.set_now(now);
    dispatcher_.Expire();
    dispatcher_.Dispatch();
  }

  std::uint64_t CallWord(std::uint32_t call) const {
    return region_.call_word(call)->word;
  }

  static constexpr std::uint32_t kRetire = ~std::uint32_t{0};

  const RegionOptions options_ = {.endpoints = kEndpoints,
                                  .slots = kSlots,
                                  .arrived_calls = kTable,
                                  .own_calls = 1};
  RegionMemory memory_{options_};
  Region region_{options_, memory_.bytes()};
  Counters counters_;
  ChannelTable channels_;
  Dispatcher dispatcher_;
  std::vector<std::unique_ptr<HostChannel>> hosts_;
  std::vector<Done> done_;
  std::vector<std::uint32_t> servers_ended_;
  std::vector<std::uint64_t> flagged_;
  TakenMessage last_;
  Nanos now_ = kSecond;
  Nanos handler_time_ = 20 * kMicrosecond;  // nothing is staged behind that

 private:
  void OnCallDone(const ReplyTo& to, std::uint8_t status,
                  const Body& body) override {
    EXPECT_EQ(to.token, 1u);
    EXPECT_EQ(to.session, 2u);
    EXPECT_EQ(to.slot, 3u);
    done_.push_back({to.sequence, status, Text(body.payload), Text(body.meta)});
  }
  void OnCallFlagged(std::uint64_t handle) override {
    flagged_.push_back(handle);
  }
  void OnServerCallEnded(std::uint32_t server) override {
    servers_ended_.push_back(server);
  }
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_DISPATCHER_FIXTURE_H_
