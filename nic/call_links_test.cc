// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

#include "nic/call_links.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "abi/host/types.h"

namespace lauberhorn::nic {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr std::uint32_t kParents = 3;
constexpr std::uint32_t kChildren = 8;

class CallLinksTest : public ::testing::Test {
 protected:
  // Takes all children of this parent.
  std::vector<std::uint64_t> Take(std::uint64_t parent) {
    std::vector<std::uint64_t> handles;
    std::uint64_t handle;
    while (links_.TakeChild(parent, &handle) != CallLinks::kNone) {
      handles.push_back(handle);
    }
    return handles;
  }

  CallLinks links_{kParents, kChildren};
};

TEST_F(CallLinksTest, ChildrenAreTakenByTheirParentOnce) {
  const std::uint64_t a = lh_handle(0, 1);
  const std::uint64_t b = lh_handle(2, 1);
  links_.Link(0, 100, a);
  links_.Link(1, 101, b);
  links_.Link(2, 102, a);
  links_.Link(3, 103, a);
  links_.Unlink(2);
  links_.Unlink(7);
  EXPECT_THAT(Take(a), UnorderedElementsAre(100, 103));
  EXPECT_THAT(Take(a), IsEmpty());
  EXPECT_THAT(Take(b), UnorderedElementsAre(101));
}

TEST_F(CallLinksTest, AFormerParentsChildrenMeanNothing) {
  links_.Link(0, 100, lh_handle(1, 1));
  links_.Link(1, 101, lh_handle(1, 2));
  links_.Link(2, 102, lh_handle(1, 1));
  EXPECT_THAT(Take(lh_handle(1, 2)), UnorderedElementsAre(101));
}

TEST_F(CallLinksTest, ALinkIsForOneHandle) {
  const std::uint64_t parent = lh_handle(1, 1);
  links_.Link(0, 100, parent);
  links_.Keep(0, 100);
  links_.Link(1, 101, parent);
  links_.Keep(1, 201);  // its next call is not linked
  links_.Link(2, 102, parent);
  links_.Link(2, 202, parent);
  EXPECT_THAT(Take(parent), UnorderedElementsAre(100, 202));
}

TEST_F(CallLinksTest, AgreesWithAMapInRandomOrder) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::map<std::uint32_t, std::uint64_t> parent_of;
  for (int step = 0; step < 20'000; ++step) {
    const auto child = static_cast<std::uint32_t>(random() % kChildren);
    const std::uint64_t parent = lh_handle(random() % kParents, 1);
    switch (random() % 4) {
      case 0:
      case 1:
        links_.Link(child, child, parent);
        parent_of[child] = parent;
        break;
      case 2:
        links_.Unlink(child);
        parent_of.erase(child);
        break;
      default: {
        std::set<std::uint64_t> expected;
        for (auto at = parent_of.begin(); at != parent_of.end();) {
          if (at->second == parent) {
            expected.insert(at->first);
            at = parent_of.erase(at);
          } else {
            ++at;
          }
        }
        const std::vector<std::uint64_t> taken = Take(parent);
        ASSERT_EQ(std::set<std::uint64_t>(taken.begin(), taken.end()),
                  expected);
        ASSERT_EQ(taken.size(), expected.size());
      }
    }
  }
}

}  // namespace
}  // namespace lauberhorn::nic
