// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// The oracle accepts what may be and complains about everything else.

#include "nic/testing/call_oracle.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lauberhorn::nic::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Nanos kStart = 1000 * kSecond;
constexpr Nanos kLongest = 60 * kSecond;

class CallOracleTest : public ::testing::Test {
 protected:
  CallOracle::Call& Start(Nanos timeout = kNever) {
    CallPlan plan;
    plan.timeout = timeout;
    plan.request_size = 50;
    return oracle_.Start(plan, 0, kStart);
  }

  void Run(const CallOracle::Call& call) {
    EXPECT_NE(oracle_.Run(CallOracle::RequestOf(call)), nullptr);
  }
  void RunAndAnswer(CallOracle::Call& call) {
    Run(call);
    oracle_.Answer(call, 0, CallOracle::ReplyOf(call));
  }
  void End(CallOracle::Call& call, absl::StatusCode code,
           const std::string& text, Nanos now = kStart + kSecond) {
    oracle_.End(call, static_cast<std::uint64_t>(code), text, now);
  }
  void EndOk(CallOracle::Call& call) {
    End(call, absl::StatusCode::kOk, CallOracle::ReplyOf(call));
  }

  // What it says in the end.
  const std::vector<std::string>& Complaints() {
    oracle_.Finish();
    return oracle_.complaints();
  }

  // What was lost, duplicated and of wrong bytes.
  void ExpectBroken(std::uint64_t lost, std::uint64_t duplicated,
                    std::uint64_t wrong_bytes) const {
    EXPECT_EQ(oracle_.broken().lost, lost);
    EXPECT_EQ(oracle_.broken().duplicated, duplicated);
    EXPECT_EQ(oracle_.broken().wrong_bytes, wrong_bytes);
  }

  CallOracle oracle_{kLongest};
};

TEST_F(CallOracleTest, AcceptsWhatMayBe) {
  CallOracle::Call& good = Start();
  RunAndAnswer(good);
  EndOk(good);
  CallOracle::Call& late = Start(kSecond);
  RunAndAnswer(late);
  End(late, absl::StatusCode::kDeadlineExceeded, "", kStart + kSecond);
  End(Start(), absl::StatusCode::kUnavailable, "no server");
  CallOracle::Call& lost = Start();
  Run(lost);
  End(lost, absl::StatusCode::kUnavailable, "gone; the call may have run");
  CallOracle::Call& cancelled = Start();
  cancelled.cancelled = true;
  End(cancelled, absl::StatusCode::kCancelled, "");
  EXPECT_EQ(oracle_.open(), 0u);
  Start();
  EXPECT_EQ(oracle_.open(), 1u);
  oracle_.CallerDied(0);
  EXPECT_EQ(oracle_.open(), 0u);
  EXPECT_THAT(Complaints(), IsEmpty());
  ExpectBroken(0, 0, 0);
}

TEST_F(CallOracleTest, ACallRunsOnce) {
  CallOracle::Call& call = Start();
  Run(call);
  RunAndAnswer(call);
  EndOk(call);
  EXPECT_THAT(Complaints(), ElementsAre(HasSubstr("ran twice")));
  ExpectBroken(0, 1, 0);
}

TEST_F(CallOracleTest, ACallEndsOnce) {
  CallOracle::Call& call = Start();
  RunAndAnswer(call);
  EndOk(call);
  EndOk(call);
  EXPECT_THAT(Complaints(), ElementsAre(HasSubstr("ended twice")));
  ExpectBroken(0, 1, 0);
}

TEST_F(CallOracleTest, ACallEnds) {
  RunAndAnswer(Start());
  EXPECT_THAT(Complaints(), ElementsAre(HasSubstr("never ended")));
  ExpectBroken(1, 0, 0);
}

TEST_F(CallOracleTest, OkMeansThatItRan) {
  EndOk(Start());
  EXPECT_THAT(Complaints(), ElementsAre(HasSubstr("did not give")));
  ExpectBroken(0, 0, 1);
}

TEST_F(CallOracleTest, TheAnswerIsTheHandlers) {
  CallOracle::Call& call = Start();
  RunAndAnswer(call);
  End(call, absl::StatusCode::kOk, "another one's");
  EXPECT_THAT(Complaints(), ElementsAre(HasSubstr("did not give")));
}

TEST_F(CallOracleTest, EveryByteOfTheRequestCounts) {
  std::string request = CallOracle::RequestOf(Start());
  request.back() ^= 1;
  EXPECT_EQ(oracle_.Run(request), nullptr);
  EXPECT_EQ(oracle_.Run("short"), nullptr);
  EXPECT_THAT(oracle_.complaints(),
              ElementsAre(HasSubstr("nobody sent"), HasSubstr("nobody sent")));
  ExpectBroken(0, 0, 2);
}

TEST_F(CallOracleTest, AnErrorThatSaysThatItDidNotRunIsTrue) {
  for (const auto code :
       {absl::StatusCode::kUnavailable, absl::StatusCode::kResourceExhausted}) {
    CallOracle::Call& call = Start();
    Run(call);
    End(call, code, "no room");
  }
  // Also if it runs after its end.
  CallOracle::Call& later = Start(kSecond);
  End(later, absl::StatusCode::kDeadlineExceeded,
      "the deadline passed before the call could be sent", kStart + kSecond);
  Run(later);
  EXPECT_THAT(Complaints(),
              ElementsAre(HasSubstr("has run"), HasSubstr("has run"),
                          HasSubstr("has run")));
}

TEST_F(CallOracleTest, OnlyWhoCancelsIsCancelled) {
  End(Start(), absl::StatusCode::kCancelled, "");
  EXPECT_THAT(Complaints(), ElementsAre(HasSubstr("was not cancelled")));
}

TEST_F(CallOracleTest, TheHandlerHearsOfTheEndInTime) {
  CallOracle::Call& before = Start();
  End(before, absl::StatusCode::kUnavailable, "may have run", kStart);
  oracle_.Healed(kStart + kSecond);
  CallOracle::Call& call = Start();
  Run(before);
  Run(call);
  oracle_.Told(before, kStart, kStart + 9 * kSecond);  // in worse times
  oracle_.Told(call, kStart, kStart + 9 * kSecond);    // the server ended it
  End(call, absl::StatusCode::kUnavailable, "may have run",
      kStart + 10 * kSecond);
  oracle_.Told(call, kStart, kStart + 11 * kSecond);
  EXPECT_THAT(oracle_.complaints(), ElementsAre());
  oracle_.Told(call, kStart + 14 * kSecond, kStart + 14 * kSecond);
  EXPECT_THAT(oracle_.complaints(), ElementsAre()) << "it looked only then";
  oracle_.Told(call, kStart, kStart + 11 * kSecond + kMillisecond);
  EXPECT_THAT(Complaints(), ElementsAre(HasSubstr("ended 1001 ms before")));
}

TEST_F(CallOracleTest, TheEndComesInTime) {
  End(Start(kSecond), absl::StatusCode::kDeadlineExceeded, "",
      kStart + kSecond - 1);
  End(Start(kSecond), absl::StatusCode::kDeadlineExceeded, "",
      kStart + 3 * kSecond);
  End(Start(), absl::StatusCode::kUnavailable, "", kStart + kLongest + kSecond);
  EXPECT_THAT(Complaints(), ElementsAre(HasSubstr("before its deadline"),
                                        HasSubstr("1000 ms later"),
                                        HasSubstr("1000 ms later")));
}

}  // namespace
}  // namespace lauberhorn::nic::testing
