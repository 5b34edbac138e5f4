// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/kmod/child.h
//
// A process of a test, in step with it: each says a letter and waits for the
// other's. It ends with the number of checks that failed in it.
//
// Thread-safety: none.
#ifndef LAUBERHORN_TESTS_VM_KMOD_CHILD_H_
#define LAUBERHORN_TESTS_VM_KMOD_CHILD_H_

#include <sys/types.h>

#include <functional>

namespace lauberhorn::kmod {

// The test, as its child sees it.
class Parent {
 public:
  explicit Parent(int socket) : socket_(socket) {}

  void Say(char letter) const;
  // Waits for this letter; ends the process if another comes, or none.
  void Await(char letter) const;
  // Whether a letter has come, which this takes, or none can come any more.
  bool Asks() const;
  int socket() const { return socket_; }

 private:
  int socket_;
};

class Child {
 public:
  // Starts it, without the open files of this process. What `body` expects and
  // does not find counts as its failure.
  explicit Child(const std::function<void(const Parent&)>& body);
  // Kills it if it still is there.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  // Waits until so many of its threads sleep in the module; false if that takes
  // too long.
  bool Parks(int threads = 1) const;
  void Say(char letter) const;
  // Whether this letter came next; false if none comes for long.
  bool Says(char letter) const;
  // Whether it ended, and nothing failed in it.
  bool EndsWell();
  void Kill();
  int socket() const { return socket_; }

 private:
  pid_t pid_ = -1;
  int socket_ = -1;
};

// The calling thread runs there only; wherever it likes.
void PinTo(int cpu);
void PinToAny();

}  // namespace lauberhorn::kmod

#endif  // LAUBERHORN_TESTS_VM_KMOD_CHILD_H_
