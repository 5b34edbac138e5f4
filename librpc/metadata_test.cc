// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

#include "lauberhorn/metadata.h"

#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lauberhorn {
namespace {

absl::Span<const std::uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// What can be read, each as "key=value", trailing ones with a mark.
std::vector<std::string> Read(const std::string& metadata, bool* complete) {
  std::vector<std::string> entries;
  MetadataReader reader(Bytes(metadata));
  MetadataEntry entry;
  while (reader.Next(&entry)) {
    entries.push_back(std::string(entry.trailing ? "~" : "") +
                      std::string(entry.key) + "=" + std::string(entry.value));
  }
  *complete = reader.complete();
  return entries;
}

TEST(MetadataTest, IsReadAsItWasWritten) {
  std::string metadata;
  const std::string long_key(255, 'k');
  const std::string long_value(65'535, 'v');
  EXPECT_TRUE(AppendMetadata({"key", "value"}, &metadata));
  EXPECT_TRUE(AppendMetadata({"key", "again"}, &metadata));
  EXPECT_TRUE(AppendMetadata({"empty", ""}, &metadata));
  EXPECT_TRUE(AppendMetadata({"end", "value", true}, &metadata));
  EXPECT_TRUE(
      AppendMetadata({"some-bin", std::string("\0\xff\n", 3)}, &metadata));
  EXPECT_TRUE(AppendMetadata({long_key, long_value}, &metadata));
  bool complete = false;
  EXPECT_THAT(
      Read(metadata, &complete),
      ::testing::ElementsAre("key=value", "key=again", "empty=", "~end=value",
                             std::string("some-bin=\0\xff\n", 12),
                             long_key + "=" + long_value));
  EXPECT_TRUE(complete);
}

TEST(MetadataTest, WhatHasNoSizeIsNotWritten) {
  std::string metadata;
  EXPECT_FALSE(AppendMetadata({"", "value"}, &metadata));
  EXPECT_FALSE(AppendMetadata({std::string(256, 'k'), ""}, &metadata));
  EXPECT_FALSE(AppendMetadata({"key", std::string(65'536, 'v')}, &metadata));
  EXPECT_EQ(metadata, "");
}

TEST(MetadataTest, IsReadUpToWhereItIsCut) {
  std::string metadata;
  std::vector<std::size_t> ends = {0};
  for (const char* key : {"a", "bb", "ccc"}) {
    AppendMetadata({key, "value"}, &metadata);
    ends.push_back(metadata.size());
  }
  for (std::size_t size = 0; size <= metadata.size(); ++size) {
    bool complete = false;
    const std::size_t entries =
        Read(metadata.substr(0, size), &complete).size();
    EXPECT_LE(ends[entries], size);
    EXPECT_EQ(complete, ends[entries] == size) << size;
  }
}

TEST(MetadataTest, AKindThatDoesNotExistIsNoEntry) {
  std::string metadata;
  AppendMetadata({"key", "value"}, &metadata);
  metadata[0] = 2;
  bool complete = true;
  EXPECT_TRUE(Read(metadata, &complete).empty());
  EXPECT_FALSE(complete);
}

TEST(MetadataTest, AnythingCanBeRead) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(random() % 64, '\0');
    // Small numbers, so that some of it is an entry.
    for (char& byte : bytes) byte = static_cast<char>(random() % 6);
    bool complete = false;
    std::size_t read = 0;
    for (const std::string& entry : Read(bytes, &complete)) {
      read += entry.size();
    }
    EXPECT_LE(read, bytes.size());
  }
}

}  // namespace
}  // namespace lauberhorn
