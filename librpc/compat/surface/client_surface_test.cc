// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What programs can say of channels and calls. Compiled against this library
// and against gRPC's own: what holds for the one holds for the other.
#include "librpc/compat/surface/surface.h"

#include <gmock/gmock.h>
#include <grpc/compression.h>
#include <grpc/grpc.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

namespace {

using ::surface::EchoService;
using ::surface::Text;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

std::chrono::system_clock::time_point In(int milliseconds) {
  return std::chrono::system_clock::now() +
         std::chrono::milliseconds(milliseconds);
}

class ClientSurfaceTest : public surface::Surface {
 protected:
  void SetUp() override {
    service_.say = [this](grpc::ServerContext& context) {
      user_agent_.clear();
      for (const auto& [key, value] : context.client_metadata()) {
        if (Text(key) == "user-agent") user_agent_ += Text(value);
      }
      return grpc::Status::OK;
    };
    builder_.RegisterService(&service_);
    Start();
  }

  EchoService service_;
  std::string user_agent_;
};

TEST_F(ClientSurfaceTest, MessagesHaveLimits) {
  // The message of a request or reply has two bytes more than its text.
  grpc::ChannelArguments args;
  args.SetMaxSendMessageSize(62);
  Connect(args);
  EXPECT_TRUE(Say(std::string(60, 'x')).ok());
  grpc::Status status = Say(std::string(61, 'x'));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "Sent message larger than max (63 vs. 62)");

  grpc::ChannelArguments other;
  other.SetInt(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1);
  other.SetInt(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, 62);
  Connect(other);
  EXPECT_TRUE(Say(std::string(60, 'x')).ok());
  status = Say(std::string(61, 'x'));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(),
            "Received message larger than max (63 vs. 62)");
}

TEST_F(ClientSurfaceTest, AChannelSaysWhoCalls) {
  ASSERT_TRUE(Say("hello").ok());
  EXPECT_THAT(user_agent_, MatchesRegex("grpc-c\\+\\+.*"));
  grpc::ChannelArguments args;
  args.SetUserAgentPrefix("");
  args.SetUserAgentPrefix("shop/7");
  args.SetUserAgentPrefix("window/1");
  args.SetString(GRPC_ARG_SECONDARY_USER_AGENT_STRING, "tail");
  Connect(args);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Say("hello").ok());
    EXPECT_THAT(user_agent_,
                MatchesRegex("window/1 shop/7 grpc-c\\+\\+.* tail"));
  }
  // Not the call.
  NewContext();
  context_->AddMetadata("user-agent", "somebody");
  ASSERT_TRUE(Say("hello").ok());
  EXPECT_THAT(user_agent_, MatchesRegex("window/1 shop/7 grpc-c\\+\\+.* tail"));
}

TEST_F(ClientSurfaceTest, AContextKnowsItsPeer) {
  NewContext();
  EXPECT_EQ(context_->peer(), "");
  ASSERT_TRUE(Say("hello").ok());
  EXPECT_EQ(last_->peer(), "ipv4:" + target());
  // Also without the channel.
  stub_ = nullptr;
  channel_ = nullptr;
  EXPECT_EQ(last_->peer(), "ipv4:" + target());

  stub_ = echo::Echo::NewStub(grpc::CreateChannel(
      "no-such-host.invalid:1", grpc::InsecureChannelCredentials()));
  EXPECT_EQ(Say("hello").error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(last_->peer(), "no-such-host.invalid:1");
}

TEST_F(ClientSurfaceTest, ErrorsHaveALineForTheLog) {
  ASSERT_TRUE(Say("hello").ok());
  EXPECT_EQ(last_->debug_error_string(), "");
  service_.say = [](grpc::ServerContext&) {
    return grpc::Status(grpc::StatusCode::ABORTED, "no luck");
  };
  EXPECT_EQ(Say("hello").error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(last_->debug_error_string(),
              AllOf(HasSubstr("no luck"), HasSubstr("ipv4:" + target()),
                    ContainsRegex("grpc_status: ?10")));
}

TEST_F(ClientSurfaceTest, AChannelConnectsOnDemand) {
  EXPECT_EQ(channel_->GetState(false), GRPC_CHANNEL_IDLE);
  EXPECT_FALSE(channel_->WaitForStateChange(GRPC_CHANNEL_IDLE, In(10)));
  ASSERT_TRUE(channel_->WaitForConnected(surface::Patience()));
  EXPECT_EQ(channel_->GetState(false), GRPC_CHANNEL_READY);
  EXPECT_TRUE(channel_->WaitForConnected(In(0)));
  EXPECT_EQ(channel_->GetLoadBalancingPolicyName(), "pick_first");
  EXPECT_TRUE(Say("hello").ok());
  // The server goes.
  server_->Shutdown();
  EXPECT_TRUE(
      channel_->WaitForStateChange(GRPC_CHANNEL_READY, surface::Patience()));
  EXPECT_NE(channel_->GetState(false), GRPC_CHANNEL_READY);
}

TEST_F(ClientSurfaceTest, ACallConnects) {
  std::thread caller([this] { EXPECT_TRUE(Say("hello").ok()); });
  EXPECT_TRUE(
      channel_->WaitForStateChange(GRPC_CHANNEL_IDLE, surface::Patience()));
  caller.join();
  EXPECT_EQ(channel_->GetState(false), GRPC_CHANNEL_READY);
}

TEST_F(ClientSurfaceTest, AServerMayComeLater) {
  server_->Shutdown();
  server_ = nullptr;
  EXPECT_FALSE(channel_->WaitForConnected(In(20)));
  std::thread later([this] {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(target(), grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
  });
  EXPECT_TRUE(channel_->WaitForConnected(surface::Patience()));
  later.join();
  ASSERT_NE(server_, nullptr);
  EXPECT_TRUE(Say("hello").ok());
}

TEST_F(ClientSurfaceTest, ANameThatIsNotThereIsAFailure) {
  const auto channel = grpc::CreateChannel("no-such-host.invalid:1",
                                           grpc::InsecureChannelCredentials());
  EXPECT_FALSE(channel->WaitForConnected(In(300)));
  EXPECT_NE(channel->GetState(false), GRPC_CHANNEL_READY);
}

TEST_F(ClientSurfaceTest, ArgumentsAreAValue) {
  grpc::ChannelArguments args;
  args.SetUserAgentPrefix("first");
  grpc::ChannelArguments other = args;
  other.SetUserAgentPrefix("second");
  args.Swap(other);
  Connect(args);
  ASSERT_TRUE(Say("hello").ok());
  EXPECT_THAT(user_agent_, HasSubstr("second first"));
  args = other;
  Connect(args);
  ASSERT_TRUE(Say("hello").ok());
  EXPECT_THAT(user_agent_, MatchesRegex("first grpc.*"));
}

TEST_F(ClientSurfaceTest, WhatIsAcceptedAndIgnored) {
  int something = 0;
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  args.SetString("user.key", "text");
  args.SetPointer("user.pointer", &something);
  args.SetCompressionAlgorithm(GRPC_COMPRESS_GZIP);
  Connect(args);
  EXPECT_TRUE(Say("hello").ok());
}

}  // namespace
