// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The gRPC-compatible API over a native library without a NIC: what programs
// see, and what is asked of the native library.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "echo.grpc.pb.h"
#include "librpc/compat/testing/fake_core.h"

namespace {

using ::lauberhorn::testing::FakeCore;
using ::testing::HasSubstr;
using ::testing::IsNull;
using ::testing::NotNull;

class EchoService final : public echo::Echo::Service {
 public:
  grpc::Status Say(grpc::ServerContext*, const echo::Request* request,
                   echo::Reply* reply) override {
    if (request->fail_with() != 0) {
      return {static_cast<grpc::StatusCode>(request->fail_with()), "failed"};
    }
    reply->set_text(request->text());
    return grpc::Status::OK;
  }
};

class FacadeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    FakeCore::Reset();
    grpc::ServerBuilder builder;
    server_ = builder
                  .AddListeningPort("127.0.0.1:0",
                                    grpc::InsecureServerCredentials(), &port_)
                  .RegisterService(&service_)
                  .BuildAndStart();
    ASSERT_THAT(server_, NotNull());
    ASSERT_GT(port_, 0);
    stub_ = StubFor(absl::StrCat("localhost:", port_));
  }

  static std::unique_ptr<echo::Echo::Stub> StubFor(const std::string& target) {
    return echo::Echo::NewStub(
        grpc::CreateChannel(target, grpc::InsecureChannelCredentials()));
  }

  grpc::Status Say(echo::Echo::StubInterface& stub, const std::string& text) {
    grpc::ClientContext context;
    request_.set_text(text);
    return stub.Say(&context, request_, &reply_);
  }

  int port_ = 0;
  EchoService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<echo::Echo::Stub> stub_;
  echo::Request request_;
  echo::Reply reply_;
};

TEST_F(FacadeTest, ACallGoesThereAndBack) {
  const grpc::Status status = Say(*stub_, "hello");
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reply_.text(), "hello");
}

TEST_F(FacadeTest, AChannelHasOneClientAndStubsShareIt) {
  const auto channel = grpc::CreateChannel(absl::StrCat("localhost:", port_),
                                           grpc::InsecureChannelCredentials());
  EXPECT_EQ(FakeCore::Get().connects, 0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(Say(*echo::Echo::NewStub(channel), "hello").ok());
  }
  EXPECT_EQ(FakeCore::Get().connects, 1);
}

TEST_F(FacadeTest, ThreadsMayMakeTheFirstCallTogether) {
  const auto channel = grpc::CreateChannel(absl::StrCat("localhost:", port_),
                                           grpc::InsecureChannelCredentials());
  const auto stub = echo::Echo::NewStub(channel);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&stub, i] {
      for (int call = 0; call < 100; ++call) {
        grpc::ClientContext context;
        echo::Request request;
        request.set_text(absl::StrCat(i, ".", call));
        echo::Reply reply;
        EXPECT_TRUE(stub->Say(&context, request, &reply).ok());
        EXPECT_EQ(reply.text(), request.text());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(FacadeTest, ErrorsOfTheHandlerArrive) {
  request_.set_fail_with(grpc::StatusCode::NOT_FOUND);
  const grpc::Status status = Say(*stub_, "hello");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "failed");
  EXPECT_FALSE(status.ok());
}

TEST_F(FacadeTest, AMethodThatIsNotOverriddenIsUnimplemented) {
  grpc::ClientContext context;
  const grpc::Status status = stub_->NotThere(&context, request_, &reply_);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(status.error_message(), "/echo.Echo/NotThere is not implemented");
}

TEST_F(FacadeTest, AServerThatIsNotThereIsUnavailable) {
  const grpc::Status status = Say(*StubFor("localhost:1"), "hello");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("localhost:1"));
}

TEST_F(FacadeTest, ATargetThatCannotBeParsedFailsTheCalls) {
  const auto stub = StubFor("nonsense");
  for (int i = 0; i < 2; ++i) {
    const grpc::Status status = Say(*stub, "hello");
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr("nonsense"));
  }
}

TEST_F(FacadeTest, NullCredentialsFailTheCalls) {
  const auto stub =
      echo::Echo::NewStub(grpc::CreateChannel("localhost:1", nullptr));
  const grpc::Status status = Say(*stub, "hello");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("null credentials"));
}

TEST_F(FacadeTest, NullCredentialsLeaveTheChannelShutDown) {
  const auto channel = grpc::CreateChannel("localhost:1", nullptr);
  EXPECT_EQ(channel->GetState(true), GRPC_CHANNEL_SHUTDOWN);
  const auto now = std::chrono::system_clock::now();
  EXPECT_TRUE(channel->WaitForStateChange(GRPC_CHANNEL_IDLE, now));
  EXPECT_FALSE(channel->WaitForStateChange(GRPC_CHANNEL_SHUTDOWN, now));
  EXPECT_FALSE(channel->WaitForConnected(now));
  EXPECT_EQ(FakeCore::Get().connects, 0);
}

TEST_F(FacadeTest, WaitingForAConnectionTriesTheNameAgain) {
  FakeCore::Get().connect_errors = {absl::UnavailableError("no such name"),
                                    absl::UnavailableError("no such name")};
  const auto channel = grpc::CreateChannel(absl::StrCat("localhost:", port_),
                                           grpc::InsecureChannelCredentials());
  EXPECT_EQ(channel->GetState(false), GRPC_CHANNEL_IDLE);
  EXPECT_EQ(channel->GetState(true), GRPC_CHANNEL_TRANSIENT_FAILURE);
  EXPECT_TRUE(channel->WaitForConnected(absl::InfiniteFuture()));
  EXPECT_EQ(FakeCore::Get().connects, 1);
}

TEST_F(FacadeTest, ANameThatCannotBeResolvedIsTriedAgainByTheNextCall) {
  FakeCore::Get().connect_errors = {absl::UnavailableError("no such name")};
  const grpc::Status status = Say(*stub_, "hello");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "no such name");
  EXPECT_TRUE(Say(*stub_, "hello").ok());
}

TEST_F(FacadeTest, WaitForReadyWaitsForTheName) {
  FakeCore::Get().connect_errors = {absl::UnavailableError("no such name"),
                                    absl::UnavailableError("no such name")};
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  EXPECT_TRUE(stub_->Say(&context, request_, &reply_).ok());
  EXPECT_TRUE(FakeCore::Get().last_options.wait_for_ready);
}

TEST_F(FacadeTest, WaitForReadyEndsAtTheDeadline) {
  FakeCore::Get().connect_errors.assign(100,
                                        absl::UnavailableError("no such name"));
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(20));
  const grpc::Status status = stub_->Say(&context, request_, &reply_);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(status.error_message(), HasSubstr("no such name"));
}

TEST_F(FacadeTest, TheDeadlineReachesTheNativeLibrary) {
  const auto deadline =
      std::chrono::system_clock::now() + std::chrono::hours(1);
  grpc::ClientContext context;
  context.set_deadline(deadline);
  EXPECT_EQ(context.deadline(), deadline);
  ASSERT_TRUE(stub_->Say(&context, request_, &reply_).ok());
  EXPECT_EQ(FakeCore::Get().last_options.deadline, absl::FromChrono(deadline));
  EXPECT_FALSE(FakeCore::Get().last_options.wait_for_ready);
}

TEST_F(FacadeTest, WithoutADeadlineItIsInfinite) {
  ASSERT_TRUE(Say(*stub_, "hello").ok());
  EXPECT_EQ(FakeCore::Get().last_options.deadline, absl::InfiniteFuture());
  EXPECT_EQ(grpc::ClientContext().deadline(),
            std::chrono::system_clock::time_point::max());
}

TEST_F(FacadeTest, ARequestThatIsTooLargeIsRefused) {
  const grpc::Status status = Say(*stub_, std::string(5000, 'x'));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(FacadeTest, AMalformedReplyIsInternal) {
  FakeCore::Get().reply_instead = "\xff\xff\xff";
  const grpc::Status status = Say(*stub_, "hello");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(status.error_message(),
            "/echo.Echo/Say: the reply is no echo.Reply");
}

TEST_F(FacadeTest, MalformedMetadataOfAReplyIsInternal) {
  FakeCore::Get().reply_metadata_instead = "no metadata";
  const grpc::Status status = Say(*stub_, "hello");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_THAT(status.error_message(), HasSubstr("metadata"));
}

TEST_F(FacadeTest, MetadataThatMayNotBeSentIsNamedAndNotSent) {
  const std::pair<std::string, std::string> wrong[] = {
      {"", "value"},
      {"Upper", "value"},
      {"with space", "value"},
      {":path", "value"},
      {"k\xc3\xa4", "value"},
      {"key", "two\nlines"},
      {"key", "\xc3\xa4"},
      {"grpc-timeout", "1S"},
      {std::string(256, 'k'), "value"}};
  for (const auto& [key, value] : wrong) {
    grpc::ClientContext context;
    context.AddMetadata("good", "value");
    context.AddMetadata(key, value);
    context.AddMetadata("good", "again");
    const grpc::Status status = stub_->Say(&context, request_, &reply_);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << key;
    EXPECT_THAT(status.error_message(), HasSubstr("'" + key + "'"));
  }
  EXPECT_EQ(FakeCore::Get().connects, 0);
}

TEST_F(FacadeTest, AContextIsForOneCall) {
  grpc::ClientContext context;
  ASSERT_TRUE(stub_->Say(&context, request_, &reply_).ok());
  EXPECT_DEATH((void)stub_->Say(&context, request_, &reply_),
               "used for a second call; make a new one");
}

TEST_F(FacadeTest, AfterShutdownTheServerIsNotThere) {
  ASSERT_TRUE(Say(*stub_, "hello").ok());
  server_->Shutdown();
  server_->Shutdown();
  EXPECT_EQ(Say(*stub_, "hello").error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(FacadeTest, TheDestructorShutsDown) {
  server_.reset();
  EXPECT_EQ(Say(*stub_, "hello").error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(FacadeTest, WaitEndsWithShutdown) {
  std::thread waiter([this] { server_->Wait(); });
  server_->Shutdown();
  waiter.join();
  server_->Wait();
}

TEST_F(FacadeTest, APortInUseGivesNoServer) {
  int port = 7;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(absl::StrCat("127.0.0.1:", port_),
                           grpc::InsecureServerCredentials(), &port);
  ::testing::internal::CaptureStderr();
  EXPECT_THAT(builder.BuildAndStart(), IsNull());
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            absl::StrCat("grpc::ServerBuilder: no server: UNAVAILABLE: "
                         "listening at '127.0.0.1:",
                         port_, "': the port is in use\n"));
  EXPECT_EQ(port, 0);
}

TEST_F(FacadeTest, AServiceRegisteredTwiceGivesNoServer) {
  grpc::ServerBuilder builder;
  builder.RegisterService(&service_).RegisterService(&service_);
  ::testing::internal::CaptureStderr();
  EXPECT_THAT(builder.BuildAndStart(), IsNull());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("/echo.Echo/Say is there already"));
}

TEST_F(FacadeTest, MistakesOfTheProgramGiveNoServer) {
  grpc::ServerBuilder without_credentials;
  without_credentials.AddListeningPort("127.0.0.1:0", nullptr);
  grpc::ServerBuilder without_service;
  without_service.RegisterService(nullptr);
  ::testing::internal::CaptureStderr();
  EXPECT_THAT(without_credentials.BuildAndStart(), IsNull());
  EXPECT_THAT(without_service.BuildAndStart(), IsNull());
  const std::string errors = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(errors, HasSubstr("'127.0.0.1:0' has null credentials"));
  EXPECT_THAT(errors, HasSubstr("RegisterService() was given null"));
}

TEST(StringRefTest, IsLikeGrpcs) {
  const std::string text = "metadata";
  const grpc::string_ref ref = text;
  EXPECT_EQ(ref, "metadata");
  EXPECT_NE(ref, "meta");
  EXPECT_LT(grpc::string_ref("meta"), ref);
  EXPECT_EQ(ref.size(), 8u);
  EXPECT_EQ(std::string(ref.begin(), ref.end()), text);
  EXPECT_EQ(std::string(ref.rbegin(), ref.rend()), "atadatem");
  EXPECT_TRUE(ref.starts_with("meta"));
  EXPECT_FALSE(ref.starts_with("metadata."));
  EXPECT_TRUE(ref.ends_with("data"));
  EXPECT_FALSE(ref.ends_with("no metadata"));
  EXPECT_EQ(ref.find("data"), 4u);
  EXPECT_EQ(ref.find('x'), grpc::string_ref::npos);
  EXPECT_EQ(ref.substr(4), "data");
  EXPECT_EQ(ref.substr(2, 3), "tad");
  EXPECT_TRUE(ref.substr(100).empty());
  EXPECT_TRUE(grpc::string_ref().empty());
  EXPECT_EQ(ref.compare("nothing"), -1);
  std::ostringstream out;
  out << ref;
  EXPECT_EQ(out.str(), text);
}

TEST(StatusTest, Values) {
  EXPECT_TRUE(grpc::Status().ok());
  EXPECT_TRUE(grpc::Status::OK.ok());
  EXPECT_EQ(grpc::Status::CANCELLED.error_code(), grpc::CANCELLED);
  const grpc::Status status(grpc::StatusCode::ABORTED, "text", "details");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(status.error_message(), "text");
  EXPECT_EQ(status.error_details(), "details");
  status.IgnoreError();
}

TEST(StatusTest, CodesHaveTheNumbersOfTheWire) {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status native(static_cast<absl::StatusCode>(code), "text");
    const grpc::Status status = grpc::internal::ToStatus(native);
    EXPECT_EQ(static_cast<int>(status.error_code()), code);
    EXPECT_EQ(grpc::internal::ToNativeCode(status.error_code()), native.code());
  }
}

struct Ticks {
  std::int64_t seconds;
};

}  // namespace

template <>
class grpc::TimePoint<Ticks> {
 public:
  explicit TimePoint(const Ticks& ticks) : seconds_(ticks.seconds) {}
  gpr_timespec raw_time() const {
    return {seconds_, 500'000'000, GPR_CLOCK_REALTIME};
  }

 private:
  std::int64_t seconds_;
};

namespace {

TEST(TimeTest, ProgramsCanBringTheirOwnType) {
  grpc::ClientContext context;
  context.set_deadline(Ticks{1'900'000'000});
  EXPECT_EQ(context.deadline(),
            std::chrono::system_clock::from_time_t(1'900'000'000) +
                std::chrono::milliseconds(500));
}

TEST(TimeTest, InfinityIsInfiniteInEveryType) {
  const auto max = std::chrono::system_clock::time_point::max();
  gpr_timespec infinite;
  grpc::Timepoint2Timespec(max, &infinite);
  EXPECT_EQ(infinite.tv_sec, std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(grpc::Timespec2Timepoint(infinite), max);
  grpc::ClientContext context;
  context.set_deadline(absl::InfiniteFuture());
  EXPECT_EQ(context.deadline(), max);
  context.set_deadline(max);
  EXPECT_EQ(context.raw_deadline().tv_sec, infinite.tv_sec);
}

// A span, and a point of the monotonic clock, both ahead of now: between the
// points in time that were now before and after the conversion.
TEST(TimeTest, SpansAndMonotonicPointsCountFromNow) {
  timespec monotonic;
  clock_gettime(CLOCK_MONOTONIC, &monotonic);
  const gpr_timespec points[] = {
      {3600, 0, GPR_TIMESPAN},
      {monotonic.tv_sec + 3600, static_cast<std::int32_t>(monotonic.tv_nsec),
       GPR_CLOCK_MONOTONIC}};
  for (const gpr_timespec& point : points) {
    const absl::Time before = absl::Now();
    const absl::Time converted = grpc::internal::ToTime(point);
    EXPECT_LE(converted, absl::Now() + absl::Hours(1));
    EXPECT_GT(converted, before);
  }
}

}  // namespace
