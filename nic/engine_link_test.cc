// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls that a handler makes for the one that it serves: they end with it.

#include <cstdint>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nic/testing/engine_fixture.h"
#include "nic/testing/host_side.h"

namespace lauberhorn::nic {
namespace {

using testing::EngineTest;
using ::testing::HasSubstr;
using testing::TakenMessage;

// The server calls itself, for a call that it serves.
class EngineLinkTest : public EngineTest {
 protected:
  EngineLinkTest() {
    nested_peer_ = Connect(*server_);
    Wait(2);
    Wait(3);
  }

  bool PutLink(std::uint64_t call, std::uint64_t parent) {
    lh_message header = {};
    header.kind = LH_KIND_LINK;
    header.call = call;
    header.data = parent;
    return server_->call(1).Put(header);
  }
  bool PutNested(std::uint64_t call, absl::string_view request) {
    lh_message header = {};
    header.kind = LH_KIND_CALL;
    header.call = call;
    header.code = kMethod;
    header.data = nested_peer_;
    return server_->call(1).Put(header, request);
  }

  std::uint64_t nested_peer_;
};

TEST_F(EngineLinkTest, ALinkedCallIsCancelledWithItsParent) {
  ASSERT_TRUE(PutCall(Handle(0), "parent"));
  const TakenMessage parent = Await(server_->serve(3));
  ASSERT_TRUE(PutLink(Handle(0), parent.header.call));
  ASSERT_TRUE(PutNested(Handle(0), "nested"));
  const TakenMessage nested = Await(server_->serve(2));
  EXPECT_EQ(nested.payload, "nested");
  ASSERT_TRUE(PutCancel(*client_, 1, Handle(0)));
  const TakenMessage end = Await(server_->call(1));
  EXPECT_EQ(end.header.call, Handle(0));
  EXPECT_EQ(end.header.code, 1u);
  EXPECT_THAT(end.payload, HasSubstr("made for"));
  // And so on down the chain.
  Steps(10);
  EXPECT_EQ(lh_handle_index(CallWord(nested.header.call)), LH_CALL_CANCELLED);
}

TEST_F(EngineLinkTest, ALinkToACancelledCallCancelsWhatFollows) {
  ASSERT_TRUE(PutCall(Handle(0), "parent"));
  const TakenMessage parent = Await(server_->serve(3));
  ASSERT_TRUE(PutCancel(*client_, 1, Handle(0)));
  Await(client_->call(1));
  Steps(10);
  ASSERT_TRUE(PutLink(Handle(0), parent.header.call));
  ASSERT_TRUE(PutNested(Handle(0), "nested"));
  EXPECT_EQ(Await(server_->call(1)).header.code, 1u);
}

TEST_F(EngineLinkTest, ACallGoesOnIfItsParentEndsByItsReply) {
  ASSERT_TRUE(PutCall(Handle(0), "parent"));
  const TakenMessage parent = Await(server_->serve(3));
  ASSERT_TRUE(PutLink(Handle(0), parent.header.call));
  ASSERT_TRUE(PutNested(Handle(0), "nested"));
  const TakenMessage nested = Await(server_->serve(2));
  ASSERT_TRUE(PutReply(3, parent.header.call, "early"));
  EXPECT_EQ(Await(client_->call(1)).payload, "early");
  // Another call under the parent's number is another call.
  ASSERT_TRUE(PutCall(Handle(0, 2), "other"));
  const TakenMessage other = Await(server_->serve(3));
  EXPECT_EQ(lh_handle_index(other.header.call),
            lh_handle_index(parent.header.call));
  ASSERT_TRUE(PutCancel(*client_, 1, Handle(0, 2)));
  Steps(10);
  ASSERT_TRUE(PutReply(2, nested.header.call, "NESTED"));
  EXPECT_EQ(Await(server_->call(1)).payload, "NESTED");
  // A link to one that is gone is none.
  ASSERT_TRUE(PutLink(Handle(0, 2), parent.header.call));
  ASSERT_TRUE(PutReply(3, other.header.call, "late"));
  ASSERT_TRUE(PutNested(Handle(0, 2), "nested again"));
  EXPECT_EQ(Await(server_->serve(3)).payload, "nested again");
}

TEST_F(EngineLinkTest, ForgedLinksAreRefusedOrMeanNothing) {
  const std::uint64_t refused =
      server_->engine().counters().messages_refused.value();
  ASSERT_TRUE(PutLink(lh_handle(0, 1), lh_handle(0, 1)));  // not an own call
  ASSERT_TRUE(PutLink(~std::uint64_t{0}, lh_handle(0, 1)));
  ASSERT_TRUE(PutLink(Handle(0), ~std::uint64_t{0}));
  ASSERT_TRUE(PutLink(Handle(0), lh_handle(0, 77)));
  ASSERT_TRUE(PutNested(Handle(0), "nested"));
  const TakenMessage nested = Await(server_->serve(3));
  ASSERT_TRUE(PutLink(Handle(0), nested.header.call));  // too late
  ASSERT_TRUE(PutReply(3, nested.header.call, "NESTED"));
  EXPECT_EQ(Await(server_->call(1)).payload, "NESTED");
  EXPECT_EQ(server_->engine().counters().messages_refused.value(), refused + 3);
}

}  // namespace
}  // namespace lauberhorn::nic
