// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/method_rows.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "abi/wire/packet.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace lauberhorn {
namespace {

void One(void*, ServerCall&) {}
void Other(void*, ServerCall&) {}

std::uint64_t Code(Thunk thunk) {
  return reinterpret_cast<std::uint64_t>(thunk);
}

// The NIC's memory may be written by others: what it names is not jumped to
// unless this process has it there.
TEST(MethodRowsTest, FindsOnlyARowWithItsCode) {
  MethodRows rows;
  int service = 0;
  const std::uint16_t index = *rows.Add(&One, &service);
  ASSERT_NE(rows.Find(index, Code(&One)), nullptr);
  EXPECT_EQ(rows.Find(index, Code(&One))->service, &service);
  EXPECT_EQ(rows.Find(index, Code(&Other)), nullptr);
  EXPECT_EQ(rows.Find(index, 0), nullptr);
  const auto next = static_cast<std::uint16_t>(index + 1);
  EXPECT_EQ(rows.Find(next, Code(&One)), nullptr);
  EXPECT_EQ(rows.Find(next, 0), nullptr) << "a row that is empty";
  EXPECT_EQ(rows.Find(MethodRows::kCapacity, Code(&One)), nullptr);
  EXPECT_EQ(rows.Find(0xffff, Code(&One)), nullptr);
  rows.Remove(index);
  EXPECT_EQ(rows.Find(index, Code(&One)), nullptr);
}

TEST(MethodRowsTest, HasRoomForSoManyAndUsesItAgain) {
  MethodRows rows;
  std::uint16_t last = 0;
  for (std::size_t count = 0; count < MethodRows::kCapacity; ++count) {
    const absl::StatusOr<std::uint16_t> index = rows.Add(&One, nullptr);
    ASSERT_TRUE(index.ok()) << index.status();
    last = *index;
  }
  EXPECT_TRUE(absl::IsResourceExhausted(rows.Add(&One, nullptr).status()));
  rows.Remove(last);
  EXPECT_EQ(*rows.Add(&Other, nullptr), last);
}

// abi/wire/packet.h has the constants, lauberhorn/method.h is public and has
// its own.
TEST(MethodIdTest, IsThatOfTheContract) {
  const absl::string_view name = "/package.Service/Method";
  std::uint64_t id = LH_METHOD_ID_BASIS;
  for (const char byte : name) {
    id = (id ^ static_cast<std::uint8_t>(byte)) * LH_METHOD_ID_PRIME;
  }
  EXPECT_EQ(MethodId(name), id);
  EXPECT_EQ(MethodId("a"), 0xaf63dc4c8601ec8cu);  // of the hash's authors
}

}  // namespace
}  // namespace lauberhorn
