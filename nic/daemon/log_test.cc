// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/daemon/log.h"

#include <spdlog/spdlog.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lauberhorn::nic::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

void LogAll() {
  spdlog::debug("one");
  spdlog::info("two");
  spdlog::warn("three");
  spdlog::error("four");
}

TEST(LogTest, TheJournalReadsPriorities) {
  CaptureStderr();
  SetUpLog("debug", /*journal=*/true);
  LogAll();
  EXPECT_EQ(GetCapturedStderr(), "<7>one\n<6>two\n<4>three\n<3>four\n");
}

TEST(LogTest, OthersReadTheTimeAndTheLevel) {
  CaptureStderr();
  SetUpLog("warn", /*journal=*/false);
  LogAll();
  const std::string log = GetCapturedStderr();
  EXPECT_THAT(log, ::testing::Not(HasSubstr("two")));
  EXPECT_THAT(log, HasSubstr(" lauberhornd warning: three\n"));
  EXPECT_THAT(log, HasSubstr(" lauberhornd error: four\n"));
}

}  // namespace
}  // namespace lauberhorn::nic::daemon
