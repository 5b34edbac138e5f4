// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/trace.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace lauberhorn::nic {
namespace {

TEST(TraceTest, IsOffUntilItIsStarted) {
  Trace trace;
  EXPECT_FALSE(trace.on());
  trace.Add(Station::accepted, 1, 2);
  EXPECT_EQ(trace.written(), 0u);
  TraceRecord record;
  EXPECT_FALSE(trace.Read(0, &record));
}

TEST(TraceTest, KeepsWhatIsAdded) {
  Trace trace;
  trace.Start();
  trace.set_now(123);
  trace.Add(Station::accepted, 0x1234567890, 0xfedcba9876543210);
  trace.set_now(456);
  trace.Add(Station::answered, 7, 8, 65'534, 16);
  ASSERT_EQ(trace.written(), 2u);
  TraceRecord record;
  ASSERT_TRUE(trace.Read(0, &record));
  EXPECT_EQ(record.time, 123u);
  EXPECT_EQ(record.call, 0x1234567890u);
  EXPECT_EQ(record.method, 0xfedcba9876543210u);
  EXPECT_EQ(record.endpoint, TraceRecord::kNoEndpoint);
  EXPECT_EQ(record.station, Station::accepted);
  ASSERT_TRUE(trace.Read(1, &record));
  EXPECT_EQ(record.time, 456u);
  EXPECT_EQ(record.endpoint, 65'534u);
  EXPECT_EQ(record.station, Station::answered);
  EXPECT_EQ(record.detail, 16);
  EXPECT_FALSE(trace.Read(2, &record)) << "not written yet";
}

TEST(TraceTest, IsOnAsLongAsSomebodyWantsIt) {
  Trace trace;
  trace.Start();
  trace.Start();
  trace.Stop();
  EXPECT_TRUE(trace.on());
  trace.Add(Station::put, 1, 0);
  trace.Stop();
  EXPECT_FALSE(trace.on());
  trace.Add(Station::put, 2, 0);
  EXPECT_EQ(trace.written(), 1u);
  TraceRecord record;
  EXPECT_TRUE(trace.Read(0, &record)) << "what was written stays";
}

TEST(TraceTest, SaysThatARecordWasOverwritten) {
  Trace trace;
  trace.Start();
  for (std::uint64_t number = 0; number <= Trace::kRecords; ++number) {
    trace.Add(Station::put, number, 0);
  }
  TraceRecord record;
  EXPECT_FALSE(trace.Read(0, &record));
  ASSERT_TRUE(trace.Read(1, &record));
  EXPECT_EQ(record.call, 1u);
  ASSERT_TRUE(trace.Read(Trace::kRecords, &record));
  EXPECT_EQ(record.call, Trace::kRecords);
}

// A reader at the edge of being overwritten never sees half of a record.
TEST(TraceTest, ReadsWholeRecordsWhileItIsWritten) {
  constexpr std::uint64_t kRounds = 4 * Trace::kRecords;
  Trace trace;
  trace.Start();
  std::thread writer([&trace] {
    for (std::uint64_t number = 0; number < kRounds; ++number) {
      trace.set_now(number);
      trace.Add(Station::put, number, ~number,
                static_cast<std::uint32_t>(number % 1000),
                static_cast<std::uint8_t>(number % 17));
    }
  });
  for (std::uint64_t written = 0; written < kRounds;) {
    written = trace.written();
    // The oldest are those that are overwritten next; the last is in work.
    for (const std::uint64_t back : {Trace::kRecords, Trace::kRecords - 1,
                                     std::uint64_t{1}, std::uint64_t{0}}) {
      TraceRecord record;
      const std::uint64_t number = written - back;
      if (written < back || !trace.Read(number, &record)) continue;
      ASSERT_EQ(record.time, number);
      ASSERT_EQ(record.call, number);
      ASSERT_EQ(record.method, ~number);
      ASSERT_EQ(record.endpoint, number % 1000);
      ASSERT_EQ(record.detail, number % 17);
    }
  }
  writer.join();
}

}  // namespace
}  // namespace lauberhorn::nic
