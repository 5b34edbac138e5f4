// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What programs use of gRPC's C library. Compiled against this library and
// against gRPC's own: what holds for the one holds for the other.
#include <gmock/gmock.h>
#include <grpc++/grpc++.h>
#include <grpc/grpc.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <grpc/support/port_platform.h>
#include <grpc/support/string_util.h>
#include <grpc/support/time.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace {

using ::testing::ElementsAre;
using ::testing::MatchesRegex;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

gpr_timespec Span(std::int64_t seconds, std::int32_t nanos = 0) {
  return {seconds, nanos, GPR_TIMESPAN};
}

gpr_timespec Point(std::int64_t seconds, std::int32_t nanos = 0) {
  return {seconds, nanos, GPR_CLOCK_REALTIME};
}

// Exactly this value of this clock.
void ExpectIs(gpr_timespec time, gpr_timespec expected) {
  EXPECT_EQ(time.tv_sec, expected.tv_sec);
  EXPECT_EQ(time.tv_nsec, expected.tv_nsec);
  EXPECT_EQ(time.clock_type, expected.clock_type);
}

TEST(CoreSurfaceTest, ZeroAndInfinities) {
  gpr_time_init();
  ExpectIs(gpr_time_0(GPR_TIMESPAN), Span(0));
  ExpectIs(gpr_inf_future(GPR_CLOCK_REALTIME), Point(kMost));
  ExpectIs(gpr_inf_past(GPR_CLOCK_REALTIME), Point(kLeast));
}

TEST(CoreSurfaceTest, DurationsOfUnits) {
  ExpectIs(gpr_time_from_nanos(1'500'000'007, GPR_TIMESPAN),
           Span(1, 500'000'007));
  ExpectIs(gpr_time_from_micros(1'500'007, GPR_TIMESPAN), Span(1, 500'007'000));
  ExpectIs(gpr_time_from_millis(1'507, GPR_TIMESPAN), Span(1, 507'000'000));
  ExpectIs(gpr_time_from_seconds(7, GPR_CLOCK_REALTIME), Point(7));
  ExpectIs(gpr_time_from_minutes(7, GPR_TIMESPAN), Span(420));
  ExpectIs(gpr_time_from_hours(-2, GPR_TIMESPAN), Span(-7200));
  ExpectIs(gpr_time_from_millis(-1, GPR_TIMESPAN), Span(-1, 999'000'000));
  ExpectIs(gpr_time_from_millis(-3000, GPR_TIMESPAN), Span(-3));
  for (const auto from :
       {&gpr_time_from_nanos, &gpr_time_from_micros, &gpr_time_from_millis,
        &gpr_time_from_seconds, &gpr_time_from_minutes, &gpr_time_from_hours}) {
    ExpectIs(from(kMost, GPR_TIMESPAN), gpr_inf_future(GPR_TIMESPAN));
    ExpectIs(from(kLeast, GPR_TIMESPAN), gpr_inf_past(GPR_TIMESPAN));
  }
  ExpectIs(gpr_time_from_hours(kMost / 2, GPR_TIMESPAN),
           gpr_inf_future(GPR_TIMESPAN));
}

TEST(CoreSurfaceTest, SumsAndDifferences) {
  ExpectIs(gpr_time_add(Point(5, 600'000'000), Span(1, 600'000'000)),
           Point(7, 200'000'000));
  ExpectIs(gpr_time_sub(Point(5, 100'000'000), Span(1, 600'000'000)),
           Point(3, 500'000'000));
  ExpectIs(gpr_time_sub(Point(5), Point(7, 1)), Span(-3, 999'999'999));
  ExpectIs(gpr_time_add(gpr_inf_past(GPR_CLOCK_REALTIME), Span(1)),
           gpr_inf_past(GPR_CLOCK_REALTIME));
  ExpectIs(gpr_time_add(Point(1), gpr_inf_future(GPR_TIMESPAN)),
           gpr_inf_future(GPR_CLOCK_REALTIME));
  ExpectIs(gpr_time_add(Point(kMost - 1), Span(5)),
           gpr_inf_future(GPR_CLOCK_REALTIME));
  ExpectIs(gpr_time_add(Point(kMost - 1, 900'000'000), Span(0, 900'000'000)),
           gpr_inf_future(GPR_CLOCK_REALTIME));
  ExpectIs(gpr_time_add(Point(kLeast + 1), Span(-5)),
           gpr_inf_past(GPR_CLOCK_REALTIME));
  ExpectIs(gpr_time_sub(Point(kLeast + 1), Span(5)),
           gpr_inf_past(GPR_CLOCK_REALTIME));
  EXPECT_EQ(gpr_time_sub(Point(1), gpr_inf_past(GPR_CLOCK_REALTIME)).tv_sec,
            kMost);
  EXPECT_EQ(gpr_time_sub(Point(1), gpr_inf_future(GPR_TIMESPAN)).tv_sec,
            kLeast);
}

TEST(CoreSurfaceTest, Order) {
  EXPECT_LT(gpr_time_cmp(Span(1), Span(2)), 0);
  EXPECT_GT(gpr_time_cmp(Span(2, 2), Span(2, 1)), 0);
  EXPECT_EQ(gpr_time_cmp(Span(2, 2), Span(2, 2)), 0);
  EXPECT_GT(gpr_time_cmp(gpr_inf_future(GPR_TIMESPAN), Span(kMost - 1)), 0);
  ExpectIs(gpr_time_max(Span(1), Span(2)), Span(2));
  ExpectIs(gpr_time_min(Span(1), Span(2)), Span(1));
  EXPECT_EQ(gpr_time_similar(Span(5), Span(6), Span(1)), 1);
  EXPECT_EQ(gpr_time_similar(Span(6, 1), Span(5), Span(1)), 0);
  EXPECT_EQ(gpr_time_similar(Span(5), Span(5), Span(0)), 1);
}

TEST(CoreSurfaceTest, AsNumbers) {
  EXPECT_EQ(gpr_time_to_millis(Span(1, 507'999'999)), 1507);
  EXPECT_EQ(gpr_time_to_millis(Span(-1, 500'000'000)), -500);
  EXPECT_EQ(gpr_time_to_millis(Span(2'147'483, 647'000'000)),
            std::numeric_limits<std::int32_t>::max());
  EXPECT_EQ(gpr_time_to_millis(Span(2'147'484)),
            std::numeric_limits<std::int32_t>::max());
  EXPECT_EQ(gpr_time_to_millis(gpr_inf_future(GPR_TIMESPAN)),
            std::numeric_limits<std::int32_t>::max());
  EXPECT_EQ(gpr_time_to_millis(gpr_inf_past(GPR_TIMESPAN)),
            -std::numeric_limits<std::int32_t>::max());
  EXPECT_DOUBLE_EQ(gpr_timespec_to_micros(Span(2, 500'000)), 2'000'500.0);
}

TEST(CoreSurfaceTest, Clocks) {
  for (const gpr_clock_type clock :
       {GPR_CLOCK_MONOTONIC, GPR_CLOCK_REALTIME, GPR_CLOCK_PRECISE}) {
    const gpr_timespec before = gpr_now(clock);
    EXPECT_EQ(before.clock_type, clock);
    EXPECT_GE(before.tv_nsec, 0);
    EXPECT_LT(before.tv_nsec, GPR_NS_PER_SEC);
    EXPECT_LE(gpr_time_cmp(before, gpr_now(clock)), 0);
  }
  // There and back: between the points that were now before and after.
  const gpr_timespec earlier = gpr_now(GPR_CLOCK_REALTIME);
  const gpr_timespec later = gpr_convert_clock_type(
      gpr_convert_clock_type(earlier, GPR_CLOCK_MONOTONIC), GPR_TIMESPAN);
  EXPECT_EQ(later.clock_type, GPR_TIMESPAN);
  EXPECT_LE(gpr_time_cmp(later, Span(0)), 0);
  ExpectIs(gpr_convert_clock_type(gpr_inf_future(GPR_CLOCK_REALTIME),
                                  GPR_CLOCK_MONOTONIC),
           gpr_inf_future(GPR_CLOCK_MONOTONIC));
}

TEST(CoreSurfaceTest, SleepEndsNoSooner) {
  const gpr_timespec until = gpr_time_add(
      gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(5, GPR_TIMESPAN));
  gpr_sleep_until(until);
  EXPECT_GE(gpr_time_cmp(gpr_now(GPR_CLOCK_MONOTONIC), until), 0);
  gpr_sleep_until(gpr_inf_past(GPR_CLOCK_REALTIME));
}

std::vector<std::string>& Lines() {
  static std::vector<std::string> lines;
  return lines;
}

void Keep(gpr_log_func_args* args) {
  Lines().push_back(std::string(gpr_log_severity_string(args->severity)) +
                    args->message);
}

TEST(CoreSurfaceTest, TheLogHasSeverities) {
  gpr_log_verbosity_init();
  EXPECT_EQ(gpr_should_log(GPR_LOG_SEVERITY_INFO), 0);
  EXPECT_EQ(gpr_should_log(GPR_LOG_SEVERITY_ERROR), 1);
  ::testing::internal::CaptureStderr();
  gpr_log(GPR_ERROR, "%s %d", "seven", 7);
  const std::string line = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(line, MatchesRegex("E[0-9]+ [0-9:.]+ +[0-9]+ "
                                 "core_surface_test.cc:[0-9]+\\] +seven 7\n"));

  gpr_set_log_function(&Keep);
  gpr_log(GPR_DEBUG, "not printed");
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_DEBUG);
  gpr_log(GPR_DEBUG, "number %d", 1);
  gpr_log(GPR_INFO, "number %d", 2);
  gpr_log_message(GPR_ERROR, "100 %");
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
  gpr_log(GPR_INFO, "not printed");
  gpr_set_log_function(nullptr);
  EXPECT_THAT(Lines(), ElementsAre("Dnumber 1", "Inumber 2", "E100 %"));
}

TEST(CoreSurfaceTest, AssertionsEndTheProgram) {
  int asked = 0;
  GPR_ASSERT(++asked == 1);
  EXPECT_EQ(asked, 1);
  GPR_DEBUG_ASSERT(asked == 1);
  EXPECT_DEATH(GPR_ASSERT(asked == 7), "assertion failed: asked == 7");
  EXPECT_DEATH(gpr_time_cmp(Span(1), Point(1)), "assertion failed");
}

TEST(CoreSurfaceTest, MemoryAndStrings) {
  EXPECT_EQ(gpr_malloc(0), nullptr);
  EXPECT_EQ(gpr_strdup(nullptr), nullptr);
  char* const zeros = static_cast<char*>(gpr_zalloc(100));
  EXPECT_EQ(std::string(zeros, 100), std::string(100, '\0'));
  std::strcpy(zeros, "kept");
  char* const larger = static_cast<char*>(gpr_realloc(zeros, 10'000));
  EXPECT_STREQ(larger, "kept");
  gpr_free(larger);
  void* const aligned = gpr_malloc_aligned(100, 64);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(aligned) % 64, 0u);
  gpr_free_aligned(aligned);
  char* const copy = gpr_strdup("text");
  EXPECT_STREQ(copy, "text");
  gpr_free(copy);
  char* printed = nullptr;
  EXPECT_EQ(gpr_asprintf(&printed, "%s:%d", "host", 7), 6);
  EXPECT_STREQ(printed, "host:7");
  gpr_free(printed);
}

TEST(CoreSurfaceTest, InitAndShutdownAreCounted) {
  EXPECT_EQ(grpc_is_initialized(), 0);
  grpc_init();
  grpc_init();
  grpc_shutdown_blocking();
  EXPECT_EQ(grpc_is_initialized(), 1);
  grpc_shutdown_blocking();
  EXPECT_EQ(grpc_is_initialized(), 0);
  grpc_init();
  grpc_shutdown();
}

TEST(CoreSurfaceTest, VersionsAndNames) {
  EXPECT_EQ(grpc::Version(), "1.51.1");
  EXPECT_STREQ(GRPC_CPP_VERSION_STRING, "1.51.1");
  EXPECT_NE(std::strlen(grpc_version_string()), 0u);
  EXPECT_STREQ(GRPC_ARG_KEEPALIVE_TIME_MS, "grpc.keepalive_time_ms");
  EXPECT_STREQ(GRPC_ARG_MAX_MESSAGE_LENGTH, "grpc.max_receive_message_length");
  EXPECT_EQ(GRPC_DEFAULT_MAX_RECV_MESSAGE_LENGTH, 4 * 1024 * 1024);
  EXPECT_EQ(GRPC_CHANNEL_SHUTDOWN, 4);
  EXPECT_EQ(GRPC_COMPRESS_GZIP, 2);
  EXPECT_EQ(GRPC_COMPRESS_LEVEL_HIGH, 3);
}

// What programs get from gRPC's header without including it.
TEST(CoreSurfaceTest, HeadersThatProgramsForget) {
  absl::Mutex mutex;
  const absl::MutexLock lock(&mutex);
  assert(absl::Now() > absl::UnixEpoch());
  EXPECT_EQ(strcmp("text", "text"), 0);
  EXPECT_GT(getpid(), 0);
  std::condition_variable condition;
  condition.notify_all();
}

}  // namespace
