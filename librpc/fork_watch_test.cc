// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/fork_watch.h"

#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <optional>

#include "gtest/gtest.h"

namespace lauberhorn {
namespace {

// What `body` returns in the child of a fork.
int InChild(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

TEST(ForkWatchTest, AChildIsTold) {
  int told = 0;
  const ForkWatch first([&told] { told += 1; });
  const ForkWatch second([&told] { told += 10; });
  EXPECT_EQ(InChild([&told] { return told; }), 11);
  EXPECT_EQ(told, 0) << "in the parent";
}

TEST(ForkWatchTest, AChildsChildIsNot) {
  int told = 0;
  const ForkWatch watch([&told] { ++told; });
  EXPECT_EQ(InChild([&told] { return InChild([&told] { return told; }); }), 1);
}

TEST(ForkWatchTest, WhatHasEndedIsNotWatched) {
  int told = 0;
  std::optional<ForkWatch> first([&told] { told += 1; });
  const ForkWatch second([&told] { told += 10; });
  first.reset();
  EXPECT_EQ(InChild([&told] { return told; }), 10);
}

TEST(ForkWatchTest, MayEndInTheChild) {
  std::optional<ForkWatch> watch([] {});
  EXPECT_EQ(InChild([&watch] {
              watch.reset();
              return 3;
            }),
            3);
}

}  // namespace
}  // namespace lauberhorn
