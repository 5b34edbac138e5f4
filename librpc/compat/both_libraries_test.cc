// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// gRPC's own library and this one in one process, each used by its own source
// file, with the same messages.
#include "librpc/compat/testing/both_libraries.h"

#include <gtest/gtest.h>

namespace {

TEST(BothLibrariesTest, CallsGoThroughBoth) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(EchoThroughGrpc("hello"), "hello");
    EXPECT_EQ(EchoThroughLauberhorn("hello"), "hello");
  }
}

TEST(BothLibrariesTest, EachHasItsFunctionsOfC) {
  EXPECT_EQ(CopyByGrpc("hello"), "hello");
  EXPECT_EQ(CopyByLauberhorn("hello"), "hello");
}

}  // namespace
