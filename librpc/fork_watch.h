// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/fork_watch.h
//
// What is to be done in the child of a fork with what is the parent's only: its
// devices. A child of vfork() or clone() is no such child.
//
// Locking: one lock for all that are watched, held over each fork. It comes
// after all others of the library.
#ifndef LAUBERHORN_LIBRPC_FORK_WATCH_H_
#define LAUBERHORN_LIBRPC_FORK_WATCH_H_

#include <functional>

namespace lauberhorn {

class ForkWatch {
 public:
  // `in_child` is called in each child that is forked while this lives, before
  // fork() returns there, and once: a child's children are not its concern. It
  // takes no locks, as threads may have had them that the child has not.
  explicit ForkWatch(std::function<void()> in_child);
  ~ForkWatch();

  ForkWatch(const ForkWatch&) = delete;
  ForkWatch& operator=(const ForkWatch&) = delete;

 private:
  class All;

  const std::function<void()> in_child_;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_FORK_WATCH_H_
