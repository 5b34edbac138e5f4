// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/known_methods.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace lauberhorn {
namespace {

std::string Name(std::uint64_t number) {
  return "/a/" + std::to_string(number);
}

TEST(KnownMethodsTest, ContainsWhatWasAdded) {
  KnownMethods methods;
  EXPECT_FALSE(methods.Contains(7, "/a/B"));
  methods.Add(7, "/a/B");
  methods.Add(7, "/a/B");
  EXPECT_TRUE(methods.Contains(7, "/a/B"));
  EXPECT_FALSE(methods.Contains(7, "/c/D")) << "the same id";
  EXPECT_FALSE(methods.Contains(8, "/a/B"));
  methods.Add(7, "/c/D");
  EXPECT_TRUE(methods.Contains(7, "/a/B"));
  EXPECT_TRUE(methods.Contains(7, "/c/D"));
}

TEST(KnownMethodsTest, KeepsANameOfItsOwn) {
  KnownMethods methods;
  std::string name = "/a/B";
  methods.Add(7, name);
  name = "/c/D";
  EXPECT_TRUE(methods.Contains(7, "/a/B"));
  EXPECT_FALSE(methods.Contains(7, name));
}

TEST(KnownMethodsTest, BeyondItsRoomEverythingIsKnown) {
  KnownMethods methods;
  // All of them want the same place.
  for (std::uint64_t number = 0; number < KnownMethods::kMax; ++number) {
    methods.Add(number << 32, Name(number));
  }
  EXPECT_FALSE(methods.Contains(1, "/a/B"));
  methods.Add(0, Name(0));  // is there
  EXPECT_FALSE(methods.Contains(1, "/a/B"));
  methods.Add(1, "/a/B");
  EXPECT_TRUE(methods.Contains(1, "/a/B"));
  EXPECT_TRUE(methods.Contains(2, "/c/D"));
}

TEST(KnownMethodsTest, IsReadWhileItGrows) {
  constexpr std::uint64_t kCount = 300;
  KnownMethods methods;
  std::atomic<std::uint64_t> added{0};
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&] {
      for (std::uint64_t seen = 0; seen < kCount;) {
        seen = added.load(std::memory_order_acquire);
        for (std::uint64_t number = 0; number < seen; ++number) {
          ASSERT_TRUE(methods.Contains(number % 7, Name(number)));
        }
        ASSERT_FALSE(methods.Contains(1, "/never/Added"));
      }
    });
  }
  for (std::uint64_t number = 0; number < kCount; ++number) {
    methods.Add(number % 7, Name(number));
    added.store(number + 1, std::memory_order_release);
  }
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace lauberhorn
