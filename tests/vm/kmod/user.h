// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/kmod/user.h
//
// Processes of other users than root.
#ifndef LAUBERHORN_TESTS_VM_KMOD_USER_H_
#define LAUBERHORN_TESTS_VM_KMOD_USER_H_

#include <sys/stat.h>
#include <unistd.h>

#include "gtest/gtest.h"
#include "tests/vm/kmod/device.h"

namespace lauberhorn::kmod {

// Other users may open the node as long as this lives.
class OpenToAll {
 public:
  OpenToAll() { EXPECT_EQ(chmod(kNode, 0666), 0); }
  ~OpenToAll() { EXPECT_EQ(chmod(kNode, 0660), 0); }
  OpenToAll(const OpenToAll&) = delete;
  OpenToAll& operator=(const OpenToAll&) = delete;
};

// This process is this user's, and of the group of the same number.
inline void BecomeUser(uid_t user) {
  EXPECT_EQ(setresgid(user, user, user), 0);
  EXPECT_EQ(setresuid(user, user, user), 0);
}

}  // namespace lauberhorn::kmod

#endif  // LAUBERHORN_TESTS_VM_KMOD_USER_H_
