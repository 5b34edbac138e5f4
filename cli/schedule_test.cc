// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// What becomes of the kernel's lines.

#include "cli/schedule.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/process.h"
#include "cli/trace.h"

namespace lauberhorn::cli {
namespace {

constexpr char kText[] =
    "# tracer: nop\n"
    "#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION\n"
    "          <idle>-0       [001] d..2.     1.000100: sched_switch: "
    "prev_comm=swapper/1 prev_pid=0 prev_prio=120 prev_state=R ==> "
    "next_comm=lh worker next_pid=42 next_prio=120\n"
    "          <idle>-0       [000] d..2.     1.000150: sched_switch: "
    "prev_comm=swapper/0 prev_pid=0 prev_prio=120 prev_state=R ==> "
    "next_comm=[odd] next_pid=7 next_prio=120\n"
    "       lh worker-42      [001] d..2.     1.000300: sched_switch: "
    "prev_comm=lh worker prev_pid=42 prev_prio=120 prev_state=S ==> "
    "next_comm=swapper/1 next_pid=0 next_prio=120\n"
    "       lh worker-42      [001] d..2.     1.000350: sched_wakeup: x\n"
    "          <idle>-0       [001] d..2.     1.000400: sched_switch: "
    "prev_comm=swapper/1 prev_pid=0 prev_prio=120 prev_state=R ==> "
    "next_comm=a next_pid=43 next_prio=120\n"
    "half a line: sched_switch: next_comm=";

TEST(ScheduleTest, ASpanEndsAtTheNextSwitchOfItsCpu) {
  const std::vector<CpuSpan> spans = ParseSchedule(kText);
  ASSERT_EQ(spans.size(), 1u) << "others have not ended, or were idle";
  EXPECT_EQ(spans[0].cpu, 1);
  EXPECT_EQ(spans[0].thread, 42);
  EXPECT_EQ(spans[0].name, "lh worker");
  EXPECT_NEAR(spans[0].begin, 1.0001e9, 1);
  EXPECT_NEAR(spans[0].end, 1.0003e9, 1);
}

TEST(ScheduleTest, WhatIsNoTraceIsNothing) {
  for (const char* const text :
       {"", "\n\n",
        ": sched_switch: ", "[] : sched_switch:  next_comm= next_pid=",
        " next_pid=1 next_comm=x [1] 2: sched_switch: "}) {
    EXPECT_TRUE(ParseSchedule(text).empty()) << text;
  }
}

TEST(ScheduleTest, SpansAreTracksOfATrace) {
  ChromeTrace trace;
  trace.AddSchedule(ParseSchedule(kText));
  const auto json = ParseJson(trace.Json());
  ASSERT_TRUE(json.ok());
  bool shown = false;
  for (const auto& event :
       json->struct_value().fields().at("traceEvents").list_value().values()) {
    const auto& fields = event.struct_value().fields();
    shown = shown || fields.at("name").string_value() == "lh worker-42";
  }
  EXPECT_TRUE(shown);
}

TEST(ScheduleTest, WhereNothingCanBeTracedItSaysWhy) {
  EXPECT_EQ(ScheduleRecorder::Start("/nowhere").status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace lauberhorn::cli
