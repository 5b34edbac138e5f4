// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

#include "nic/method_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace lauberhorn::nic {
namespace {

using ::testing::HasSubstr;

TEST(MethodNamesTest, FindsWhatItWasTold) {
  MethodNames names;
  EXPECT_EQ(names.Find(7), MethodNames::kNone);
  EXPECT_TRUE(names.Add(7, "/a/B").ok());
  EXPECT_TRUE(names.Add(0, "/a/C").ok());
  EXPECT_TRUE(names.Add(7, "/a/B").ok()) << "again";
  EXPECT_EQ(names.name(names.Find(7)), "/a/B");
  EXPECT_EQ(names.name(names.Find(0)), "/a/C");
  EXPECT_EQ(names.Find(8), MethodNames::kNone);
}

TEST(MethodNamesTest, AnIdHasOneName) {
  MethodNames names;
  EXPECT_TRUE(names.Add(7, "/a/B").ok());
  const absl::Status status = names.Add(7, "/c/D");
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/a/B and /c/D"));
  EXPECT_EQ(names.name(names.Find(7)), "/a/B");
}

TEST(MethodNamesTest, HasRoomForSoMany) {
  MethodNames names;
  for (std::uint64_t method = 0; method < MethodNames::kMax; ++method) {
    ASSERT_TRUE(names.Add(method, "/a/" + std::to_string(method)).ok());
  }
  EXPECT_EQ(names.Add(MethodNames::kMax, "/a/B").code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(names.Find(MethodNames::kMax), MethodNames::kNone);
  EXPECT_TRUE(names.Add(3, "/a/3").ok()) << "that is there";
  EXPECT_EQ(names.name(names.Find(3)), "/a/3");
}

}  // namespace
}  // namespace lauberhorn::nic
