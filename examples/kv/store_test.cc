// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What the key-value server keeps, without the server.
#include "store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace kv {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kFirst = 100;

class StoreTest : public ::testing::Test {
 protected:
  PutResult Put(const std::string& key, const std::string& value,
                std::optional<std::uint64_t> expected = std::nullopt) {
    return store_.Put(key, value, expected, &version_);
  }

  std::string ValueOf(const std::string& key) {
    return store_.Get(key).value_or(Value{"(none)", 0}).bytes;
  }

  // The keys that a scan sees.
  std::vector<std::string> Keys(const std::string& prefix,
                                std::string after = "") {
    std::vector<std::string> keys;
    while (const auto entry = store_.Next(prefix, after)) {
      keys.push_back(entry->key);
      after = entry->key;
    }
    return keys;
  }

  Store store_{kFirst};
  std::uint64_t version_ = 0;
};

TEST_F(StoreTest, AKeyThatWasNeverPutHasNoValue) {
  EXPECT_FALSE(store_.Get("a").has_value());
  EXPECT_FALSE(store_.Next("", "").has_value());
}

TEST_F(StoreTest, APutReplacesTheValueAndMakesALargerVersion) {
  EXPECT_EQ(Put("a", "1"), PutResult::kStored);
  EXPECT_EQ(version_, kFirst);
  EXPECT_EQ(Put("b", "other"), PutResult::kStored);
  EXPECT_EQ(Put("a", "2"), PutResult::kStored);
  EXPECT_EQ(version_, kFirst + 2);
  ASSERT_TRUE(store_.Get("a").has_value());
  EXPECT_EQ(store_.Get("a")->bytes, "2");
  EXPECT_EQ(store_.Get("a")->version, kFirst + 2);
  EXPECT_EQ(ValueOf("b"), "other");
}

TEST_F(StoreTest, AnEmptyValueIsAValue) {
  EXPECT_EQ(Put("a", ""), PutResult::kStored);
  EXPECT_EQ(ValueOf("a"), "");
}

TEST_F(StoreTest, AnExpectedVersionStoresOnce) {
  Put("a", "1");
  const std::uint64_t first = version_;
  EXPECT_EQ(Put("a", "2", first), PutResult::kStored);
  const std::uint64_t second = version_;
  EXPECT_EQ(Put("a", "3", first), PutResult::kOtherVersion);
  EXPECT_EQ(version_, second) << "the version that the key has";
  EXPECT_EQ(ValueOf("a"), "2");
}

TEST_F(StoreTest, VersionZeroCreatesOnly) {
  EXPECT_EQ(Put("a", "1", 0), PutResult::kStored);
  const std::uint64_t first = version_;
  EXPECT_EQ(Put("a", "2", 0), PutResult::kExists);
  EXPECT_EQ(version_, first);
  EXPECT_EQ(ValueOf("a"), "1");
}

TEST_F(StoreTest, AVersionOfAKeyThatIsNotThereStoresNothing) {
  EXPECT_EQ(Put("a", "1", 7), PutResult::kMissing);
  EXPECT_EQ(version_, 0U);
  EXPECT_FALSE(store_.Get("a").has_value());
}

TEST_F(StoreTest, NextGoesThroughAPrefixInOrder) {
  for (const char* key : {"b/2", "a", "b/10", "b", "b/", "c", "b0"}) {
    Put(key, key);
  }
  EXPECT_THAT(Keys(""), ElementsAre("a", "b", "b/", "b/10", "b/2", "b0", "c"));
  EXPECT_THAT(Keys("b/"), ElementsAre("b/", "b/10", "b/2"));
  EXPECT_THAT(Keys("b/", "b/10"), ElementsAre("b/2"));
  EXPECT_THAT(Keys("b/", "a"), ElementsAre("b/", "b/10", "b/2"));
  EXPECT_THAT(Keys("b/", "c"), IsEmpty());
  EXPECT_THAT(Keys("bb"), IsEmpty());
  EXPECT_THAT(Keys("longer than any key"), IsEmpty());
}

TEST_F(StoreTest, KeysAreOrderedAsUnsignedBytes) {
  const std::string zero("\0", 1);
  const std::string zeros("\0\0", 2);
  for (const std::string& key :
       {std::string("\xff"), zeros, zero, std::string("~")}) {
    Put(key, "");
  }
  EXPECT_THAT(Keys(""), ElementsAre(zero, zeros, "~", "\xff"));
  EXPECT_THAT(Keys("\xff"), ElementsAre("\xff"));
}

TEST_F(StoreTest, AKeyThatIsPutDuringAScanIsSeenIfItStillComes) {
  Put("a", "");
  Put("c", "");
  const auto first = store_.Next("", "");
  ASSERT_TRUE(first.has_value());
  Put("b", "");
  EXPECT_EQ(store_.Next("", first->key)->key, "b");
}

// Each thread adds to one counter by the rule of every compare-and-set: read,
// try, read again. No addition may be lost.
TEST_F(StoreTest, ExpectedVersionsKeepConcurrentAdditions) {
  constexpr int kThreads = 4;
  constexpr int kAdditions = 500;
  Put("counter", "0");
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this] {
      for (int done = 0; done < kAdditions;) {
        const Value now = store_.Get("counter").value();
        std::uint64_t version = 0;
        done += store_.Put("counter", std::to_string(std::stol(now.bytes) + 1),
                           now.version, &version) == PutResult::kStored
                    ? 1
                    : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ValueOf("counter"), std::to_string(kThreads * kAdditions));
}

}  // namespace
}  // namespace kv
