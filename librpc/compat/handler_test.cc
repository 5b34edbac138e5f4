// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The thunks of generated code: a call that arrives, runs the handler, and is
// answered exactly once, whatever happens.
#include <gmock/gmock.h>
#include <grpcpp/support/method_handler.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "echo.grpc.pb.h"
#include "lauberhorn/metadata.h"
#include "librpc/compat/testing/fake_core.h"

namespace {

using ::lauberhorn::testing::FakeServerCall;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class EchoService final : public echo::Echo::Service {
 public:
  grpc::Status Say(grpc::ServerContext* context, const echo::Request* request,
                   echo::Reply* reply) override {
    if (reply->ByteSizeLong() != 0) return {grpc::DATA_LOSS, "not empty"};
    deadline = context->deadline();
    was_cancelled = context->IsCancelled();
    peer = context->peer();
    metadata.clear();
    for (const auto& [key, value] : context->client_metadata()) {
      metadata.emplace(std::string(key.begin(), key.end()),
                       std::string(value.begin(), value.end()));
    }
    if (!trailing.first.empty()) {
      context->AddTrailingMetadata(trailing.first, trailing.second);
    }
    if (request->throw_exception()) throw std::runtime_error("by request");
    if (request->fail_with() != 0) {
      return {static_cast<grpc::StatusCode>(request->fail_with()), "failed",
              details};
    }
    reply->set_text(request->text());
    reply->set_more(request->more());
    return grpc::Status::OK;
  }

  std::chrono::system_clock::time_point deadline;
  bool was_cancelled = false;
  std::string peer;
  std::multimap<std::string, std::string> metadata;
  std::pair<std::string, std::string> trailing;  // to be sent
  std::string details;
};

absl::Span<const std::uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

class HandlerTest : public ::testing::Test {
 protected:
  void Run(FakeServerCall& call) {
    grpc::internal::UnaryHandler::Run<echo::Echo::Service, echo::Request,
                                      echo::Reply, &echo::Echo::Service::Say>(
        static_cast<echo::Echo::Service*>(&service_), call);
    EXPECT_EQ(call.answers(), 1);
  }

  absl::Status StatusOf(const echo::Request& request) {
    const std::string bytes = request.SerializeAsString();
    FakeServerCall call(bytes);
    Run(call);
    return call.status();
  }

  EchoService service_;
  echo::Request request_;
};

TEST_F(HandlerTest, RepliesWithWhatTheHandlerWrote) {
  request_.set_text("hello");
  const std::string bytes = request_.SerializeAsString();
  FakeServerCall call(bytes);
  Run(call);
  EXPECT_TRUE(call.status().ok());
  echo::Reply reply;
  ASSERT_TRUE(reply.ParseFromString(call.reply_text()));
  EXPECT_EQ(reply.text(), "hello");
}

TEST_F(HandlerTest, AnEmptyMessageIsAMessage) {
  FakeServerCall call("");
  Run(call);
  EXPECT_TRUE(call.status().ok());
  EXPECT_EQ(call.reply_text(), "");
}

TEST_F(HandlerTest, NothingIsLeftOfTheCallBefore) {
  request_.set_text("hello");
  request_.set_more("and more");
  EXPECT_TRUE(StatusOf(request_).ok());
  FakeServerCall call("");
  Run(call);
  EXPECT_TRUE(call.status().ok()) << call.status();
  EXPECT_EQ(call.reply_text(), "");
}

TEST_F(HandlerTest, EveryErrorKeepsItsCode) {
  for (int code = 1; code <= 16; ++code) {
    request_.set_fail_with(code);
    const absl::Status status = StatusOf(request_);
    EXPECT_EQ(static_cast<int>(status.code()), code);
    EXPECT_EQ(status.message(), "failed");
  }
}

TEST_F(HandlerTest, ANumberThatIsNoCodeIsUnknown) {
  for (const int number : {-1, 17, 31}) {
    request_.set_fail_with(number);
    EXPECT_TRUE(absl::IsUnknown(StatusOf(request_))) << number;
  }
}

TEST_F(HandlerTest, AHandlerThatThrowsIsUnknown) {
  request_.set_throw_exception(true);
  const absl::Status status = StatusOf(request_);
  EXPECT_TRUE(absl::IsUnknown(status));
  EXPECT_EQ(status.message(), "the handler threw an exception");
}

TEST_F(HandlerTest, AMalformedRequestIsInternal) {
  FakeServerCall call("\xff\xff\xff");
  Run(call);
  EXPECT_TRUE(absl::IsInternal(call.status()));
  EXPECT_THAT(std::string(call.status().message()), HasSubstr("echo.Request"));
}

TEST_F(HandlerTest, AReplyThatIsTooLargeIsAnsweredOnce) {
  // With tag and length it is more than fits.
  request_.set_more(std::string(lauberhorn::testing::kLargestMessage, 'x'));
  EXPECT_TRUE(absl::IsResourceExhausted(StatusOf(request_)));
}

TEST_F(HandlerTest, TheHandlerSeesDeadlineAndCancellation) {
  const absl::Time deadline = absl::FromUnixMicros(1'900'000'000'000'007);
  FakeServerCall call("");
  call.set_deadline(deadline);
  call.set_cancelled(true);
  Run(call);
  EXPECT_EQ(absl::FromChrono(service_.deadline), deadline);
  EXPECT_TRUE(service_.was_cancelled);

  FakeServerCall other("");
  Run(other);
  EXPECT_EQ(service_.deadline, std::chrono::system_clock::time_point::max());
  EXPECT_FALSE(service_.was_cancelled);
}

TEST_F(HandlerTest, APeerIsSpelledAsAUri) {
  FakeServerCall call("");
  lauberhorn::PeerAddress peer;
  peer.ip[10] = peer.ip[11] = 0xff;
  peer.ip[12] = 10;
  peer.ip[15] = 7;
  peer.port = 4711;
  call.set_peer(peer);
  Run(call);
  EXPECT_EQ(service_.peer, "ipv4:10.0.0.7:4711");

  FakeServerCall six("");
  peer = {};
  peer.ip[0] = 0xfe;
  peer.ip[1] = 0x80;
  peer.ip[15] = 1;
  peer.scope = 2;
  peer.port = 4711;
  six.set_peer(peer);
  Run(six);
  EXPECT_EQ(service_.peer, "ipv6:%5Bfe80::1%252%5D:4711");

  FakeServerCall near("");
  peer = {};
  peer.socket = "/run/a [b]";
  near.set_peer(peer);
  Run(near);
  EXPECT_EQ(service_.peer, "unix:/run/a%20%5Bb%5D");

  FakeServerCall gone("");
  gone.set_peer(absl::NotFoundError("no such call"));
  Run(gone);
  EXPECT_EQ(service_.peer, "");
}

TEST_F(HandlerTest, MalformedMetadataOfARequestIsInternal) {
  const std::string metadata = "no metadata";
  FakeServerCall call("");
  call.set_metadata(Bytes(metadata));
  Run(call);
  EXPECT_TRUE(absl::IsInternal(call.status()));
  EXPECT_THAT(std::string(call.status().message()), HasSubstr("metadata"));
}

TEST_F(HandlerTest, AHandlerSeesAtLeastWhoCalled) {
  FakeServerCall without("");
  Run(without);
  EXPECT_THAT(service_.metadata, ElementsAre(Pair("user-agent", _)));

  std::string metadata;
  lauberhorn::AppendMetadata({"key", "value"}, &metadata);
  FakeServerCall with("");
  with.set_metadata(Bytes(metadata));
  Run(with);
  EXPECT_THAT(service_.metadata,
              ElementsAre(Pair("key", "value"), Pair("user-agent", _)));

  lauberhorn::AppendMetadata({"user-agent", "somebody"}, &metadata);
  FakeServerCall of_somebody("");
  of_somebody.set_metadata(Bytes(metadata));
  Run(of_somebody);
  EXPECT_THAT(service_.metadata, ElementsAre(Pair("key", "value"),
                                             Pair("user-agent", "somebody")));
}

TEST_F(HandlerTest, MetadataThatAHandlerMayNotSendIsInternal) {
  service_.trailing = {"Upper", "value"};
  FakeServerCall call("");
  Run(call);
  EXPECT_TRUE(absl::IsInternal(call.status()));
  EXPECT_THAT(std::string(call.status().message()), HasSubstr("'Upper'"));
}

TEST_F(HandlerTest, DetailsOfAnErrorAreTrailingMetadata) {
  service_.details = std::string("\0\xff", 2);
  request_.set_fail_with(grpc::StatusCode::ABORTED);
  const std::string bytes = request_.SerializeAsString();
  FakeServerCall call(bytes);
  Run(call);
  lauberhorn::MetadataReader reader(call.reply_metadata());
  lauberhorn::MetadataEntry entry;
  ASSERT_TRUE(reader.Next(&entry));
  EXPECT_EQ(entry.key, "grpc-status-details-bin");
  EXPECT_EQ(entry.value, service_.details);
  EXPECT_TRUE(entry.trailing);
  EXPECT_TRUE(reader.complete());
}

TEST_F(HandlerTest, AHandlerCanBeCalledAsAFunction) {
  grpc::ServerContext context;
  echo::Reply reply;
  request_.set_text("direct");
  EXPECT_TRUE(service_.Say(&context, &request_, &reply).ok());
  EXPECT_EQ(reply.text(), "direct");
  EXPECT_EQ(service_.deadline, std::chrono::system_clock::time_point::max());
}

}  // namespace
