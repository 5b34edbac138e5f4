// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What programs can say to a ServerBuilder and a Server. Compiled against this
// library and against gRPC's own: what holds for the one holds for the other.
#include "librpc/compat/surface/surface.h"

#include <gmock/gmock.h>
#include <grpc/compression.h>
#include <grpc/grpc.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

namespace {

using ::surface::EchoService;
using ::surface::Text;
using ::testing::IsNull;
using ::testing::MatchesRegex;

// The message of a request or reply with so long a text has two bytes more.
constexpr int kMost = 62;
std::string Fits() { return std::string(60, 'x'); }
std::string TooLong() { return std::string(61, 'x'); }

class ServerSurfaceTest : public surface::Surface {
 protected:
  void ExpectTooLarge(const grpc::Status& status, const std::string& what) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(status.error_message(),
              what + " message larger than max (63 vs. 62)");
  }

  EchoService service_;
};

TEST_F(ServerSurfaceTest, RequestsHaveALimit) {
  builder_.RegisterService(&service_).SetMaxReceiveMessageSize(kMost);
  Start();
  EXPECT_TRUE(Say(Fits()).ok());
  ExpectTooLarge(Say(TooLong()), "Received");
  EXPECT_TRUE(Say(Fits()).ok());
}

TEST_F(ServerSurfaceTest, TheOldNameOfTheLimit) {
  builder_.RegisterService(&service_).SetMaxMessageSize(kMost);
  Start();
  ExpectTooLarge(Say(TooLong()), "Received");
}

TEST_F(ServerSurfaceTest, RepliesHaveALimit) {
  builder_.RegisterService(&service_).SetMaxSendMessageSize(kMost);
  Start();
  EXPECT_TRUE(Say(Fits()).ok());
  ExpectTooLarge(Say(TooLong()), "Sent");
  EXPECT_TRUE(Say(Fits()).ok());
}

TEST_F(ServerSurfaceTest, NoLimitIsMinusOne) {
  builder_.RegisterService(&service_)
      .SetMaxReceiveMessageSize(kMost)
      .SetMaxReceiveMessageSize(-1)
      .SetMaxSendMessageSize(-1);
  Start();
  EXPECT_TRUE(Say(std::string(1000, 'x')).ok());
}

TEST_F(ServerSurfaceTest, LimitsAreArgumentsToo) {
  builder_.RegisterService(&service_)
      .AddChannelArgument(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, kMost)
      .AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 60'000)
      .AddChannelArgument("user.key", "text");
  Start();
  EXPECT_TRUE(Say(Fits()).ok());
  ExpectTooLarge(Say(TooLong()), "Received");
}

TEST_F(ServerSurfaceTest, ContextsWorkWithinLimits) {
  builder_.RegisterService(&service_)
      .SetMaxReceiveMessageSize(kMost)
      .SetMaxSendMessageSize(kMost);
  Start();
  service_.say = [](grpc::ServerContext& context) {
    EXPECT_LT(context.deadline(),
              std::chrono::system_clock::now() + std::chrono::hours(1));
    EXPECT_LT(context.raw_deadline().tv_sec,
              gpr_inf_future(GPR_CLOCK_REALTIME).tv_sec);
    EXPECT_FALSE(context.IsCancelled());
    EXPECT_EQ(context.client_metadata().count("user-agent"), 1u);
    context.AddInitialMetadata("first", "1");
    context.AddTrailingMetadata("last", "2");
    if (context.client_metadata().count("fail") == 0) return grpc::Status::OK;
    return grpc::Status(grpc::StatusCode::ABORTED, "why", "details");
  };
  ASSERT_TRUE(Say("hello").ok());
  EXPECT_EQ(last_->GetServerInitialMetadata().count("first"), 1u);
  EXPECT_EQ(last_->GetServerTrailingMetadata().count("last"), 1u);
  NewContext();
  context_->AddMetadata("fail", "yes");
  const grpc::Status status = Say("hello");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(status.error_message(), "why");
  EXPECT_EQ(status.error_details(), "details");

  service_.say = [](grpc::ServerContext& context) {
    context.TryCancel();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Say("hello").error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(ServerSurfaceTest, AServiceMayBeForOneHost) {
  EchoService special("special ");
  builder_.RegisterService(&service_).RegisterService("shop", &special);
  Start();
  ASSERT_TRUE(Say("hello").ok());
  EXPECT_EQ(reply_.text(), "hello");
  for (const std::string host : {"shop", "other", "Shop", "shop:80"}) {
    NewContext();
    context_->set_authority(host);
    ASSERT_TRUE(Say("hello").ok());
    EXPECT_EQ(reply_.text(), host == "shop" ? "special hello" : "hello");
  }
  grpc::ChannelArguments args;
  args.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "shop");
  Connect(args);
  ASSERT_TRUE(Say("hello").ok());
  EXPECT_EQ(reply_.text(), "special hello");
}

TEST_F(ServerSurfaceTest, OtherHostsDoNotHaveTheServiceOfOne) {
  builder_.RegisterService("shop", &service_);
  Start();
  EXPECT_EQ(Say("hello").error_code(), grpc::StatusCode::UNIMPLEMENTED);
  NewContext();
  context_->set_authority("shop");
  EXPECT_TRUE(Say("hello").ok());
}

TEST_F(ServerSurfaceTest, HandlersSeeTheAuthority) {
  std::string seen;
  service_.say = [&](grpc::ServerContext& context) {
    seen = Text(context.ExperimentalGetAuthority());
    EXPECT_EQ(context.client_metadata().count(":authority"), 0u);
    return grpc::Status::OK;
  };
  builder_.RegisterService(&service_);
  Start();
  NewContext();
  context_->set_authority("shop");
  ASSERT_TRUE(Say("hello").ok());
  EXPECT_EQ(seen, "shop");

  grpc::ChannelArguments args;
  args.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "market");
  Connect(args);
  ASSERT_TRUE(Say("hello").ok());
  EXPECT_EQ(seen, "market");
  NewContext();
  context_->set_authority("shop");
  ASSERT_TRUE(Say("hello").ok());
  EXPECT_EQ(seen, "shop");
}

TEST_F(ServerSurfaceTest, HandlersSeeTheirPeer) {
  std::string seen;
  service_.say = [&](grpc::ServerContext& context) {
    seen = context.peer();
    return grpc::Status::OK;
  };
  builder_.RegisterService(&service_).SetMaxSendMessageSize(kMost);
  Start();
  ASSERT_TRUE(Say("hello").ok());
  EXPECT_THAT(seen, MatchesRegex("ipv4:127\\.0\\.0\\.1:[0-9]+"));
  EXPECT_NE(seen, "ipv4:" + target());
}

bool HasIpv6Loopback() {
  const int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  const bool has = fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&address),
                                   sizeof(address)) == 0;
  close(fd);
  return has;
}

TEST_F(ServerSurfaceTest, PeersMayBeOfIpv6) {
  if (!HasIpv6Loopback()) GTEST_SKIP() << "this machine has no ::1";
  std::string seen;
  service_.say = [&](grpc::ServerContext& context) {
    seen = context.peer();
    return grpc::Status::OK;
  };
  int port6 = 0;
  builder_.RegisterService(&service_).AddListeningPort(
      "[::1]:0", grpc::InsecureServerCredentials(), &port6);
  Start();
  stub_ = echo::Echo::NewStub(
      grpc::CreateChannel("ipv6:[::1]:" + std::to_string(port6),
                          grpc::InsecureChannelCredentials()));
  ASSERT_TRUE(Say("hello").ok());
  EXPECT_THAT(seen, MatchesRegex("ipv6:%5B::1%5D:[0-9]+"));
  EXPECT_EQ(last_->peer(), "ipv6:%5B::1%5D:" + std::to_string(port6));
}

TEST_F(ServerSurfaceTest, AServiceTwiceForOneHostGivesNoServer) {
  builder_.RegisterService("shop", &service_);
  builder_.RegisterService("shop", &service_);
  EXPECT_THAT(builder_.BuildAndStart(), IsNull());
}

TEST_F(ServerSurfaceTest, WhatIsAcceptedAndIgnored) {
  builder_.RegisterService(&service_)
      .SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1)
      .SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1)
      .SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2)
      .SetSyncServerOption(grpc::ServerBuilder::CQ_TIMEOUT_MSEC, 1000)
      .SetDefaultCompressionAlgorithm(GRPC_COMPRESS_GZIP)
      .SetDefaultCompressionLevel(GRPC_COMPRESS_LEVEL_NONE)
      .SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  Start();
  EXPECT_TRUE(Say("hello").ok());
}

TEST_F(ServerSurfaceTest, ShutdownEndsWait) {
  builder_.RegisterService(&service_);
  Start();
  ASSERT_TRUE(Say("hello").ok());
  std::thread waiter([this] { server_->Wait(); });
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::minutes(1));
  waiter.join();
  server_->Shutdown();
  EXPECT_EQ(Say("hello").error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
