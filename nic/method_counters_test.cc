// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/method_counters.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace lauberhorn::nic {
namespace {

TEST(MethodCountersTest, CountsByStatus) {
  MethodCounters counters(7, "/a.A/Do");
  counters.Ended(0);
  counters.Ended(0);
  counters.Ended(14);
  counters.Ended(200);
  EXPECT_EQ(counters.ended(0), 2u);
  EXPECT_EQ(counters.ended(14), 1u);
  EXPECT_EQ(counters.ended(2), 1u) << "one that does not exist is UNKNOWN";
}

TEST(MethodCountersTest, KeepsTheSumAndTheLongest) {
  MethodCounters counters(7, "/a.A/Do");
  for (const Nanos time : {Nanos{30}, Nanos{50}, Nanos{10}}) {
    counters.Took(time);
  }
  EXPECT_EQ(counters.timed(), 3u);
  EXPECT_EQ(counters.time(), 90u);
  EXPECT_EQ(counters.longest(), 50u);
}

TEST(MethodCounterTableTest, ANameIsOneMethod) {
  MethodCounterTable table;
  MethodCounters* const first = table.Add(7, "/a.A/Do");
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(table.Add(7, std::string("/a.A/") + "Do"), first);
  EXPECT_NE(table.Add(7, "/b.B/Do"), first) << "the same id, another name";
  ASSERT_EQ(table.size(), 2u);
  EXPECT_EQ(table.at(0).name(), "/a.A/Do");
  EXPECT_EQ(table.at(1).name(), "/b.B/Do");
}

TEST(MethodCounterTableTest, IsBounded) {
  MethodCounterTable table;
  for (std::uint32_t number = 0; number < MethodCounterTable::kMax; ++number) {
    ASSERT_NE(table.Add(number, absl::StrCat(number)), nullptr);
  }
  EXPECT_EQ(table.Add(1, "one more"), nullptr);
  EXPECT_NE(table.Add(1, "1"), nullptr) << "a known one";
}

}  // namespace
}  // namespace lauberhorn::nic
