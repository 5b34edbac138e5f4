// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "lauberhorn/kept_message.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <thread>

namespace lauberhorn {
namespace {

// One that says which it is, and whether it was cleared.
struct Message {
  Message() : number(++made) {}
  void Clear() { text.clear(); }

  static int made;
  const int number;
  std::string text;
};

int Message::made = 0;

// Uses one of its kind, and returns its number.
template <class Kind>
int Use(bool keep) {
  KeptMessage<Message, Kind> message;
  EXPECT_EQ(message->text, "");
  message->text = "something";
  if (keep) message.Keep();
  return (*message).number;
}

TEST(KeptMessageTest, IsTheSameAgainButEmpty) {
  if (!kKeepsMessages) GTEST_SKIP() << "with AddressSanitizer nothing is kept";
  struct Kind;
  const int first = Use<Kind>(true);
  EXPECT_EQ(Use<Kind>(true), first);
  EXPECT_EQ(Use<Kind>(false), first);
  EXPECT_NE(Use<Kind>(true), first) << "that was freed";
}

TEST(KeptMessageTest, KindsAndThreadsHaveTheirOwn) {
  struct One;
  struct Other;
  const int one = Use<One>(true);
  EXPECT_NE(Use<Other>(true), one);
  std::thread([&] { EXPECT_NE(Use<One>(true), one); }).join();
}

TEST(KeptMessageTest, TwoAtATimeAreTwo) {
  struct Kind;
  const KeptMessage<Message, Kind> outer;
  const int inner = Use<Kind>(true);
  EXPECT_NE(outer->number, inner);
  EXPECT_EQ(outer->text, "");
}

TEST(KeptMessageTest, AnExceptionKeepsNothing) {
  struct Kind;
  int thrown = 0;
  try {
    const KeptMessage<Message, Kind> message;
    thrown = message->number;
    throw std::runtime_error("by the test");
  } catch (const std::runtime_error&) {
  }
  EXPECT_NE(Use<Kind>(true), thrown);
}

}  // namespace
}  // namespace lauberhorn
